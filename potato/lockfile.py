"""What dvc.lock says of a run that nobody saw end: whether DVC had nothing left to do."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml


def wanted(root: Path, stages: Iterable[str]) -> dict[str, str]:
    """Return for each stage a digest of what it reads beside the other stages' outputs, as the files are now.

    That is its command, its parameters, and the files that dvc.yaml names. When DVC has run the stage, or found that
    it need not, dvc.lock holds the same (`is_done`). What a folder holds is left out, for its size.

    Raises
    ------
    OSError, ValueError : dvc.yaml or params.yaml is missing or is none.
    """
    pipeline, parameters = _yaml(root / "dvc.yaml")["stages"], _yaml(root / "params.yaml")
    made = [_path(out) for stage in pipeline.values() for out in stage.get("outs", ())]
    found = {}
    for name in stages:
        paths = [_filled(_path(dep), parameters) for dep in pipeline[name].get("deps", ())]
        files = {path: _md5(root / path) for path in paths if not _inside(path, made) and not (root / path).is_dir()}
        asked = {key: _parameter(parameters, key) for key in pipeline[name].get("params", ())}
        found[name] = _digest(pipeline[name]["cmd"], files, asked)
    return found


def is_done(root: Path, digests: Mapping[str, str]) -> bool:
    """Tell whether dvc.lock has these stages as `wanted` saw them, each made from what the others made, and all there.

    DVC writes a stage into dvc.lock when it is through with it, and not when it failed to keep the output or was ended
    before. A lock that is missing or is none says that nothing is done.
    """
    try:
        locked = _yaml(root / "dvc.lock")["stages"]
        made = {out["path"]: out["md5"] for entry in locked.values() for out in entry.get("outs", ())}
        for name, digest in digests.items():
            entry = locked[name]
            read = {dep["path"]: dep["md5"] for dep in entry.get("deps", ())}
            own = {path: md5 for path, md5 in read.items() if not _inside(path, made) and not md5.endswith(".dir")}
            told = _digest(entry["cmd"], own, entry.get("params", {}).get("params.yaml", {}))
            fits = all(md5 == made[path] for path, md5 in read.items() if path in made)
            if told != digest or not fits or not all((root / out["path"]).exists() for out in entry.get("outs", ())):
                return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(digests)


def _digest(command: str, files: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
    told = json.dumps([command, files, parameters], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no mapping")
    return found


def _path(entry: str | Mapping[str, Any]) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))


def _filled(path: str, parameters: Mapping[str, Any]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda name: str(parameters.get(name[1], "")), path)


def _parameter(parameters: Mapping[str, Any], key: str) -> Any:
    found: Any = parameters
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _inside(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else ""
