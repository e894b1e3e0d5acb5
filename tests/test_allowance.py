from __future__ import annotations

from pathlib import Path

import pytest

from potato.allowance import RUN_SECONDS, Allowance


def test_the_waits_of_all_processes_add_up(tmp_path: Path) -> None:
    path = tmp_path / "waited"
    assert Allowance(path, 2.0).left() == 2.0
    path.write_text("0.500\n0.750\n")
    assert Allowance(path, 2.0).left() == pytest.approx(0.75)
    with Allowance(path, 2.0).spent():
        pass
    assert len(path.read_text().split()) == 3
    path.write_text(path.read_text() + "9.000\n")
    assert Allowance(path, 2.0).left() == 0.0


def test_a_wait_that_an_error_ends_counts(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Allowance(tmp_path / "waited", 2.0).spent():
        raise KeyboardInterrupt
    assert len((tmp_path / "waited").read_text().split()) == 1


def test_a_loss_is_said_once_a_run_and_again_by_the_next_repro(tmp_path: Path) -> None:
    path = tmp_path / "waited"
    assert [Allowance(path).is_first_loss() for _ in range(3)] == [True, False, False]
    path.write_text("0.9\n")
    Allowance(path).renew()
    assert Allowance(path).left() == RUN_SECONDS
    assert Allowance(path).is_first_loss()
