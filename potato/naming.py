"""Names of datasets by OpenLineage's naming rules: one function for folders of this machine and for S3."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

_BUCKET = re.compile(r"s3[an]?://([^/]+)/*(.*)", re.DOTALL)


def dataset(folder: str | os.PathLike[str], path: str = "") -> tuple[str, str]:
    """Return OpenLineage's namespace and name of the dataset at `path` below `folder`.

    A dataset of this machine is in the namespace "file" and is named by its absolute path. One in S3 is in the
    namespace of its bucket and is named by its key; the schemes of Hadoop's clients (s3a, s3n) name the same bucket.
    A name does not end in a slash. The rules are those of https://openlineage.io/docs/spec/naming.

    Parameters
    ----------
    folder : a folder's path, "file:///..." or "s3://BUCKET/PREFIX".
    path : what is below it, with / between the parts.
    """
    base = os.fspath(folder)
    if bucket := _BUCKET.fullmatch(base):
        parts = (bucket[2].strip("/"), path.strip("/"))
        return f"s3://{bucket[1]}", "/".join(filter(None, parts)) or "/"
    local = unquote(base.removeprefix("file://")) if base.startswith("file://") else base
    # A link below the folder, such as that to a study's raw files, is part of the name.
    return "file", (Path(local).resolve() / path.strip("/")).as_posix()


def source(folder: str | os.PathLike[str]) -> tuple[str, str]:
    """Return name and URI of what holds the datasets below `folder`: this machine's disk, or a bucket."""
    namespace, name = dataset(folder)
    return namespace, namespace if namespace != "file" else Path(name).as_uri()
