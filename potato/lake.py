"""Where datasets live: their names, pinned Parquet writing, fingerprints, and publication in one rename."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from potato.errors import PotatoError

STAGING_VARIABLE = "POTATO_STAGING"
ROOT_VARIABLE = "POTATO_ROOT"
_AGAIN = "type `dvc repro`; where it finds nothing to do, `dvc repro --force`"
_ROWS_OF_A_PART = 500_000
_ROWS_OF_A_GROUP = 125_000  # read in parallel, a group by each thread
# Arrow's own allocator asks for huge pages, which a machine whose memory is in pieces has to put together first: up to
# a third of the time that it reads a file goes there.
pa.set_memory_pool(pa.system_memory_pool())

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def root() -> Path:
    """Return the project's folder: POTATO_ROOT, else the nearest folder upwards that holds params.yaml."""
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder
    raise PotatoError(
        "This is not a potato project.",
        where=str(here),
        expected="a folder with params.yaml and dvc.yaml, here or above",
        hint="change into the project's folder and type the command again",
    )


def input(name: str) -> Path:
    """Return the published path of `name` (project-relative, such as data/silver/weekly_features)."""
    return root() / name


def output(name: str) -> Path:
    """Return where this process writes `name`: the stage's staging folder, or data/.interactive without a stage."""
    staging = os.environ.get(STAGING_VARIABLE)
    path = (Path(staging) if staging else root() / "data" / ".interactive") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(table: pa.Table, folder: Path) -> None:
    """Write `table` as the dataset `folder`: one part, or several of many rows each."""
    write_parts(encoded(table), folder)


def write_parts(parts: list[pa.Buffer], folder: Path) -> None:
    """Write the result of `encoded` as the dataset `folder`, in the place of what it held."""
    digits = len(str(len(parts) - 1))
    named = {folder / f"part-{i:0{digits}}.parquet": part for i, part in enumerate(parts)}
    folder.mkdir(parents=True, exist_ok=True)
    for path in set(folder.glob("*.parquet")) - named.keys():
        path.unlink()
    for path, part in named.items():
        path.write_bytes(part)


def encoded(table: pa.Table) -> list[pa.Buffer]:
    """Return `table` as the bytes of Parquet files, one or several of many rows each, encoded at once."""
    starts = range(0, max(table.num_rows, 1), _ROWS_OF_A_PART)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_encoded, (table.slice(start, _ROWS_OF_A_PART) for start in starts)))


def _encoded(table: pa.Table) -> pa.Buffer:
    stream = pa.BufferOutputStream()
    _write(table, stream)
    return stream.getvalue()


def write_file(table: pa.Table, path: Path) -> None:
    """Write `table` as the single Parquet file `path`, with settings that give the same bytes for the same rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(table, path)


def _write(table: pa.Table, where: Path | pa.BufferOutputStream) -> None:
    texts = {field.name for field in table.schema if pa.types.is_string(field.type)}
    # Of texts the different ones are few and stand anywhere: a list of them saves room, and their first and last help
    # only who looks for a person, by whom silver is sorted. Of numbers it is the other way round.
    pq.write_table(
        table,
        where,
        compression="zstd",
        compression_level=3,
        version="2.6",
        data_page_version="1.0",
        row_group_size=_ROWS_OF_A_GROUP,
        use_dictionary=sorted(texts),
        write_statistics=[name for name in table.column_names if name not in texts or name == "subject_id"],
    )


def require(folder: Path) -> None:
    """Raise PotatoError when there is no dataset in `folder`."""
    if not folder.is_dir() or not any(folder.glob("*.parquet")):
        raise PotatoError(
            f"The dataset {folder.name} is not there.",
            where=_shown(folder),
            expected="a folder with Parquet files",
            hint=_AGAIN,
        )


def read(folder: Path) -> pa.Table:
    """Return the dataset in `folder`; PotatoError when it is not there."""
    require(folder)
    try:
        return pq.read_table(folder)
    except (OSError, pa.ArrowException) as error:
        raise damaged(folder, error) from None


def damaged(folder: Path, error: Exception) -> PotatoError:
    """Return the error to raise when a dataset is there and can't be read."""
    return PotatoError(
        f"The dataset {folder.name} is damaged.",
        where=_shown(folder),
        expected="Parquet files as an earlier stage wrote them",
        found=" ".join(str(error).split())[:200],
        hint=_AGAIN,
    )


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON with sorted keys, so that equal content has equal bytes."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with LF line ends on every platform."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def read_json(path: Path) -> Any:
    """Return the JSON content of `path`; PotatoError when it is not there or broken."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PotatoError(
            f"{path.name} can't be read.",
            where=_shown(path),
            expected="what an earlier stage wrote",
            found="nothing" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())[:200],
            hint=_AGAIN,
        ) from None


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(p for p in path.rglob("*") if p.is_file())
    elif path.is_file():
        yield path


def fingerprint(path: Path) -> str:
    """Return the sha256 over the sorted relative names and contents of a file or folder."""
    digest = hashlib.sha256()
    for file in _files(path):
        name = file.relative_to(path).as_posix() if path.is_dir() else path.name
        digest.update(f"{name}\0{file_sha256(file)}\n".encode())
    return digest.hexdigest()


def size(path: Path) -> int:
    """Return how many bytes a file holds, or all files of a folder together."""
    return sum(file.stat().st_size for file in _files(path))


def file_sha256(path: Path) -> str:
    """Return the sha256 of one file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def publish(staged: Path, published: Path) -> None:
    """Put the folder `staged` in the place of `published`; readers see the old content or the new, never a mix."""
    published.parent.mkdir(parents=True, exist_ok=True)
    if not published.exists():
        staged.rename(published)
        return
    if _exchange(staged, published):
        shutil.rmtree(staged)
        return
    aside = staged.with_name(staged.name + ".old")
    published.rename(aside)
    staged.rename(published)
    shutil.rmtree(aside)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one system call, where the platform has it (Linux' renameat2)."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(
        renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), ctypes.c_uint(_RENAME_EXCHANGE)) == 0
    )


def _shown(path: Path) -> str:
    try:
        return path.relative_to(root()).as_posix()
    except (ValueError, PotatoError):
        return str(path)
