"""The two ways from staged pages to HTML: Quarto where it is installed, else pandoc with the same looks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from potato import pages
from potato.errors import PotatoError

QUARTO_VARIABLE = "POTATO_QUARTO"
_READER = "markdown+autolink_bare_uris"
_SHOWN_LINES = 12
_SECONDS = 300


def quarto() -> str | None:
    """Return the Quarto to use, or None for pandoc.

    POTATO_QUARTO names it, or says `none` to go through pandoc on a machine that has Quarto.
    """
    named = os.environ.get(QUARTO_VARIABLE)
    if named == "none":
        return None
    found = shutil.which(named or "quarto")
    if named and found is None:
        raise PotatoError(
            "The Quarto that the environment names cannot be run.",
            where=QUARTO_VARIABLE,
            expected="the path of quarto's program, or none for pandoc",
            found=named,
            hint=f"type `unset {QUARTO_VARIABLE}` to take the quarto on PATH, else pandoc",
        )
    return found


def render(source: Path, site: Path) -> None:
    """Render the Quarto project in `source` into the new folder `site`; PotatoError when that fails."""
    program = quarto()
    if program:
        _render_with_quarto(program, source, site)
    else:
        _render_with_pandoc(source, site)


def _run(command: list[str], *, renderer: str, where: str, cwd: Path) -> None:
    hint = f"type `{QUARTO_VARIABLE}=none dvc repro report` to go through pandoc" if renderer == "Quarto" else None
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PotatoError(
            f"{renderer} could not be run.", where=command[0], found=str(error)[-200:], hint=hint
        ) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PotatoError(
            f"{renderer} could not render the report.",
            where=where,
            found="\n".join(said[-_SHOWN_LINES:]) or f"exit code {done.returncode}",
            hint=hint,
        )


def _render_with_quarto(program: str, source: Path, site: Path) -> None:
    _run([program, "render", ".", "--quiet"], renderer="Quarto", where="reports", cwd=source)
    output = yaml.safe_load((source / "_quarto.yml").read_text(encoding="utf-8"))["project"]["output-dir"]
    if not (source / output).is_dir():
        raise PotatoError(
            "Quarto rendered no page.",
            where="reports",
            expected=f"pages in {output}",
            hint=f"type `{QUARTO_VARIABLE}=none dvc repro report` to go through pandoc",
        )
    shutil.move(source / output, site)


def _render_with_pandoc(source: Path, site: Path) -> None:
    # Here, because its import looks for a program, which Quarto's users need not wait for.
    import pypandoc

    program = str(pypandoc.get_pandoc_path())
    project = yaml.safe_load((source / "_quarto.yml").read_text(encoding="utf-8"))
    site.mkdir()
    for folder in project["project"]["resources"]:
        shutil.copytree(source / folder, site / folder)
    for style in (source / "_pandoc" / "base.css", source / "styles.css"):
        shutil.copyfile(style, site / style.name)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(lambda page: _page_with_pandoc(program, project, page, site), sorted(source.glob("*.qmd"))))


def _page_with_pandoc(program: str, project: dict[str, Any], page: Path, site: Path) -> None:
    website = project["website"]
    front_matter = pages.front_matter(page.name, page.read_text(encoding="utf-8"))
    about = {
        "site-title": website["title"],
        "pagetitle": f"{front_matter['title']} – {website['title']}",
        "lang": project.get("lang", "en"),
        "footer": website["page-footer"]["left"],
        "toc-title": project["format"]["html"]["toc-title"],
        "navigation": [
            {"href": Path(entry["href"]).with_suffix(".html").name, "text": entry["text"]}
            | ({"current": True} if entry["href"] == page.name else {})
            for entry in website["navbar"]["left"]
        ],
    }
    metadata = page.with_suffix(".json")
    metadata.write_text(json.dumps(about), encoding="utf-8")
    command = [program, "--from", _READER, "--to", "html5", "--standalone", "--mathml", "--section-divs"]
    command += ["--wrap=none", "--fail-if-warnings", "--template", "_pandoc/template.html"]
    command += ["--lua-filter", "_pandoc/quarto.lua", "--metadata-file", metadata.name]
    command += ["--toc", f"--toc-depth={project['format']['html']['toc-depth']}"] if front_matter.get("toc") else []
    command += ["--output", str(site / page.with_suffix(".html").name), page.name]
    _run(command, renderer="pandoc", where=f"reports/{page.name}", cwd=page.parent)
