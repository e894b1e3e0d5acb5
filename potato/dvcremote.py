"""DVC's own remote, for its cache of runs and data, beside the data lake."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from potato.bucket import Bucket
from potato.errors import PotatoError

NAME = "lake"


def configure(root: Path, address: str) -> str:
    """Make ADDRESS/dvc the default remote of this checkout (.dvc/config.local, which is not committed); return it.

    AWS_ENDPOINT_URL and AWS_REGION are taken over where they are set, since DVC does not read them itself.

    Raises
    ------
    PotatoError : the address is none, or DVC refuses.
    """
    url = f"{Bucket(address).address}/dvc"
    _dvc(root, "remote", "add", "--local", "--default", "--force", NAME, url)
    for setting, variable in (("endpointurl", "AWS_ENDPOINT_URL"), ("region", "AWS_REGION")):
        if value := os.environ.get(variable):
            _dvc(root, "remote", "modify", "--local", NAME, setting, value)
    return url


def _dvc(root: Path, *words: str) -> None:
    program = shutil.which("dvc", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    done = subprocess.run([program or "dvc", *words], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PotatoError(
            "DVC did not take the remote.",
            where="dvc " + " ".join(words),
            found=" ".join((done.stderr or done.stdout).split())[:300],
            hint="type that command yourself",
        )
