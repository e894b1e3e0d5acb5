"""Draws ops/system-diagram.png from ops/system-diagram.mmd with Mermaid's own command line: `make diagram`.

The picture carries the SHA-256 of the text that it was drawn from, so that `--check` needs no browser.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

SOURCE = Path(__file__).parent / "system-diagram.mmd"
PICTURE = SOURCE.with_suffix(".png")
MERMAID = Path(__file__).parent.parent / ".setup/mermaid/node_modules/.bin/mmdc"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
KEY = "drawn-from"


def browser() -> str | None:
    """Return the path of a browser that can draw, or None."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def draw(source: Path, picture: Path) -> None:
    """Draw the diagram of `source` into `picture`, a PNG.

    Raises
    ------
    SystemExit : there is no browser, Mermaid is not installed, or it could not read the source.
    """
    program = browser()
    if program is None or not MERMAID.exists():
        sys.exit(
            "To draw the diagram, install Chromium (Debian: apt-get install chromium) and npm, then type: make diagram"
        )
    with tempfile.TemporaryDirectory() as folder:
        drawn, options = Path(folder, "drawn.png"), Path(folder, "puppeteer.json")
        # Chromium's sandbox needs rights that root and most containers don't have; it only sees our own file.
        options.write_text(json.dumps({"executablePath": program, "args": ["--no-sandbox"]}))
        files = ["--puppeteerConfigFile", str(options), "--input", str(source), "--output", str(drawn)]
        done = subprocess.run(
            [str(MERMAID), "--quiet", *files, "--scale", "2", "--backgroundColor", "white"],
            env=os.environ | {"NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode or not drawn.exists():
            sys.exit(f"Mermaid could not draw {source.name}:\n{done.stderr or done.stdout}")
        note = PngInfo()
        note.add_text(KEY, fingerprint(source))
        with Image.open(drawn) as image:
            # A diagram has few colours: a palette of them makes a third of the bytes.
            image.convert("RGB").quantize(64).save(picture, pnginfo=note, optimize=True)


def fingerprint(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


def is_in_step(source: Path, picture: Path) -> bool:
    """Say whether the picture was drawn from the source as it is now."""
    with Image.open(picture) as image:
        return image.info.get(KEY) == fingerprint(source)


def main() -> None:
    if "--check" not in sys.argv:
        draw(SOURCE, PICTURE)
        print(PICTURE)
    elif not is_in_step(SOURCE, PICTURE):
        sys.exit("ops/system-diagram.png was drawn from another ops/system-diagram.mmd; type: make diagram")


if __name__ == "__main__":
    main()
