"""The last look at a site before it is published: links, anchors, images, remote resources, open ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from potato.errors import PotatoError, nearest

_REMOTE = ("http", "https")
_OPEN_ENDS = re.compile(r"\{\{<|\?@(?:fig|tbl)-|\?var:")
_STYLE_URL = re.compile(r"""(?:@import\s+|url\(\s*)["']?((?:https?:)?//[^"')\s]+)""")
_FETCHED = {
    "img": ("src", "srcset"),
    "script": ("src",),
    "link": ("href",),
    "iframe": ("src",),
    "source": ("src",),
}


class _Page(HTMLParser):
    """Collects a page's anchors, its links, what a browser would fetch for it, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self._within: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if values.get(name))
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if not (tag == "link" and values.get("rel") in ("prev", "next", "canonical")):
            self.fetched += [values[name] for name in _FETCHED.get(tag, ()) if values.get(name)]
        if values.get("style"):
            self.styles.append(values["style"])
        if tag in ("style", "script"):
            self._within = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = None

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            self.styles.append(data)
        elif self._within is None:
            self.text.append(data)


def verify(site: Path, expected: list[str]) -> None:
    """Raise PotatoError when a page links to what is not there, fetches from the network or has an open end.

    `expected` names all pages that the site must have, and no others.
    """
    pages = {path.name: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.glob("*.html"))}
    if list(pages) != sorted(expected):
        raise PotatoError(
            "The renderer did not make the pages that the report has.",
            where="reports",
            expected=", ".join(sorted(expected)),
            found=", ".join(pages) or "no page",
        )
    for name, page in pages.items():
        if open_end := _OPEN_ENDS.search("".join(page.text)):
            start = max(open_end.start() - 20, 0)
            raise PotatoError(
                f"The page {name} has a reference that nothing resolved.",
                where=name,
                found="".join(page.text)[start : open_end.end() + 40].strip(),
            )
        for address in page.fetched:
            _check_fetched(site, name, address)
        for style in page.styles:
            _check_style(name, style)
        for address in page.links:
            _check_link(site, pages, name, address)
    for sheet in sorted(site.rglob("*.css")):
        _check_style(sheet.relative_to(site).as_posix(), sheet.read_text(encoding="utf-8"))


def _check_style(where: str, text: str) -> None:
    if remote := _STYLE_URL.search(text):
        raise _remote(where, remote[1])


def _remote(where: str, address: str) -> PotatoError:
    return PotatoError(
        "The report would fetch something from the network.",
        where=where,
        expected="only files of the report itself, so that it opens anywhere and tells nobody",
        found=address,
    )


def _check_fetched(site: Path, name: str, address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "data":
        return
    if parts.scheme in _REMOTE or parts.netloc:
        raise _remote(name, address)
    if not (site / unquote(parts.path)).is_file():
        raise _missing(name, address, _files(site))


def _check_link(site: Path, pages: dict[str, _Page], name: str, address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return
    path = unquote(parts.path)
    target = (site / path).resolve() if path else site / name
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file() or not target.is_relative_to(site.resolve() if path else site):
        raise _missing(name, address, _files(site))
    anchor = unquote(parts.fragment)
    if anchor and target.suffix == ".html" and anchor not in pages[target.name].anchors:
        raise _missing(name, address, (f"{path}#{known}" for known in pages[target.name].anchors))


def _files(site: Path) -> Iterator[str]:
    return (path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file())


def _missing(name: str, address: str, known: Iterator[str]) -> PotatoError:
    return PotatoError(
        f"The page {name} points to something that the report does not hold.",
        where=name,
        found=address,
        nearest=nearest(address.removeprefix("./"), known),
    )
