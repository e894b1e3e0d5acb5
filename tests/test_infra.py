"""The infrastructure as it is written down: format, validity, Terraform's own tests, facts that other files share."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from potato import schema
from tests import cloud

ROOT = Path(__file__).parent.parent
CHECKOV = ROOT / ".setup" / "checkov-env" / "bin" / "checkov"
WITH_TERRAFORM = pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that is ready for `validate` and `test`, without a backend."""
    folder = cloud.copy(tmp_path_factory.mktemp("project"))
    if reason := cloud.why_not(folder, "-backend=false", env=cloud.environment()):
        pytest.skip(reason)
    return folder


def layers() -> dict[str, list[str]]:
    """The layers and datasets that the module `lake` names."""
    text = (cloud.INFRA / "modules" / "lake" / "main.tf").read_text(encoding="utf-8")
    block = re.search(r"layers = \{\n(.*?)\n  \}", text, re.DOTALL)
    assert block is not None
    return {layer: json.loads(names) for layer, names in re.findall(r"(\w+)\s*= (\[.*\])", block[1])}


@WITH_TERRAFORM
def test_every_file_is_formatted_as_terraform_formats_it() -> None:
    done = cloud.terraform(cloud.INFRA, "fmt", "-check", "-recursive", env=cloud.environment())
    assert (done.returncode, done.stdout) == (0, "")


def test_both_configurations_are_valid_without_a_warning(root: Path) -> None:
    state = root / "state"
    assert cloud.why_not(state, "-backend=false", env=cloud.environment()) is None
    for folder in (root, state):
        done = cloud.terraform(folder, "validate", "-json", env=cloud.environment())
        assert json.loads(done.stdout)["diagnostics"] == [], done.stdout


def test_terraforms_own_tests_pass_with_a_mocked_provider(root: Path) -> None:
    done = cloud.terraform(root, "test", env=cloud.environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout


@pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed; type: make check.infra")
def test_checkov_finds_nothing_that_is_not_skipped_for_a_reason() -> None:
    options = ["--framework", "terraform", "--quiet", "--compact", "--skip-download", "--skip-path", r"\.terraform"]
    done = subprocess.run(
        [CHECKOV, "--directory", cloud.INFRA, *options],
        env=cloud.environment() | {"LOG_LEVEL": "ERROR"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    skips = [line for path in cloud.INFRA.rglob("*.tf") for line in re.findall(r"#checkov:.*", path.read_text())]
    assert all(re.fullmatch(r"#checkov:skip=CKV2?_AWS_\d+:\w.{20,}", line) for line in skips), skips


def test_the_lake_has_the_layers_and_datasets_of_the_dictionary() -> None:
    named = layers()
    assert set(named["bronze"]) == set(schema.BRONZE)
    assert set(named["silver"]) <= set(schema.SILVER)
    assert set(named["gold"]) == {"models", "figures", "reports"}


def test_the_locks_are_the_same_and_fit_registry_and_mirror() -> None:
    locks = [(cloud.INFRA / folder / ".terraform.lock.hcl").read_text(encoding="utf-8") for folder in (".", "state")]
    assert locks[0] == locks[1]
    # A registry is checked by the hashes of its archives (zh), a mirror by that of what is in them (h1).
    assert len(re.findall(r'"zh:[0-9a-f]{64}"', locks[0])) == 15
    assert len(re.findall(r'"h1:[\w+/]{43}="', locks[0])) == 2
    assert "://" not in locks[0]


def test_make_says_what_is_missing_before_it_asks_aws(tmp_path: Path) -> None:
    script = cloud.copy(tmp_path).parent / "terraform.sh"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "terraform").symlink_to("/bin/false")
    env = cloud.environment() | {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    del env["TF_VAR_github_repository"]

    def says(part: str) -> str:
        return subprocess.run(["sh", str(script), part], env=env, text=True, capture_output=True, check=False).stderr

    assert says("plan") == "infra.plan stopped: it is not known where the state is; type: make infra.init\n"
    (tmp_path / "infra" / "terraform" / "backend.hcl").write_text('bucket = "b"\nregion = "us-east-1"\n')
    assert "which repository may take the roles? Copy infra/terraform/terraform.tfvars.example" in says("apply")


@pytest.mark.parametrize(("given", "seen"), [("", "unset"), ("eu-west-1", "eu-west-1")])
def test_a_region_that_a_repository_has_not_set_is_no_empty_one(tmp_path: Path, given: str, seen: str) -> None:
    script = cloud.copy(tmp_path).parent / "terraform.sh"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "terraform").write_text('#!/bin/sh\necho "region ${TF_VAR_region-unset}"\nexit 1\n')
    (tmp_path / "bin" / "terraform").chmod(0o755)
    env = cloud.environment(region=given) | {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    done = subprocess.run(["sh", str(script), "check"], env=env, text=True, capture_output=True, check=False)
    assert done.stdout.splitlines()[0] == f"region {seen}"
