"""What a reader of the report does: from a number to the cell, query, contract, log line and source column behind it.

Everything is clicked on with the mouse, where it is in view, and the clicks are counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from potato import lake, pages

from .browser import Browser

MOST_CLICKS = 2
_TO_CELL = "a[href^='run.html#made-']"
_CELL = "document.getElementById(decodeURIComponent(location.hash.slice(1))).closest('details.cell')"


@dataclass(frozen=True)
class Line:
    """A line of sources on a page: its place among them, and the places on the run's page that it leads to."""

    page: str
    number: int
    leads_to: tuple[str, ...]


def lines(site: Path) -> list[Line]:
    """Return the lines of sources of all pages that name a cell."""
    found = []
    for path in sorted(site.glob("*.html")):
        shown = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select("main .source")
        for number, line in enumerate(shown):
            if line.find_parent("details") is None:
                cells = tuple(str(link["href"]).partition("#")[2] for link in line.select(_TO_CELL))
                found.append(Line(path.name, number, cells))
    return [line for line in found if line.leads_to]


def without_source(site: Path, gold: Path) -> list[str]:
    """Return the numbers of gold, of figures and of tables that have no line of sources below in their section."""
    numbers = pages.flatten(lake.read_json(gold / "reports/numbers.json"))
    told = {_plain(text) for text in numbers.values() if re.search(r"\d.", text)}
    known = re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in told))
    missing = []
    for path in sorted(site.glob("*.html")):
        main = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").main
        assert main is not None
        blocks = main.select(".answer, .facts, p, ul, figure, td")
        for block in blocks:
            # The waterfall is where the lines lead to.
            if block.find_parent(class_="waterfall") or block.find(class_="waterfall"):
                continue
            is_number = block.name in ("figure", "td") or known.search(_plain(block.text))
            if re.search(r"\d", block.text) and is_number and not _has_line(block):
                missing.append(f"{path.name}: {_plain(block.text)[:80]}")
    return missing


def _plain(text: str) -> str:
    return re.sub(r"[\s*`\\–-]+", " ", BeautifulSoup(text, "html.parser").get_text()).strip()


def _has_line(block: Tag) -> bool:
    for after in block.find_all_next(["h2", "footer", "span"]):
        if after.name == "span" and "source" in (after.get("class") or ()):
            return True
        if after.name in ("h2", "footer"):
            return False
    return False


_KINDS = {
    "contract": "a[href*='#checks-'], a[href$='#what-was-checked'], a[href='models.html#tbl-diagnostics']",
    "column": "a[href^='lineage.html#of-']",
    "query": "a[href^='#query-']",
}
_THERE = {"contract": "table, summary", "column": "table", "query": ".waterfall .inner > pre"}


def reached(browser: Browser, line: Line, place: str) -> Iterator[str]:
    """Yield what a reader reaches from a line of sources of the page that is open: cell, log, contract, column, query.

    `place` is the one of the line's places on the run's page. A dataset that no engine made has the query of what it
    was made from, or the raw files that were read.
    """
    browser.click(_link(line, place))
    cell = browser.ask("location.href")
    assert browser.ask(f"{_CELL}.open"), f"{place} lies in a cell that is not open"
    seen = {
        "cell": _shown(f"{_CELL}.querySelector(':scope > pre:not(.log)')"),
        "log": _shown(f"{_CELL}.querySelector(':scope > pre.log')"),
        "raw column": f"/Raw columns behind:/.test({_CELL}.innerText)",
        "raw file": f"/^.*read .*(files|\\.csv)/m.test({_CELL}.innerText)",
    }
    yield from (what for what, question in seen.items() if browser.ask(question))
    for what, link in _KINDS.items():
        # The links of the dataset itself come first, then those of what it was made from.
        both = f"[document.querySelector('li:target'), {_CELL}].flatMap(part => [...part.querySelectorAll(\"{link}\")])"
        found = f"{both}.find(link => link.checkVisibility())"
        if not browser.ask(f"!!{found}"):
            continue
        browser.click(found)
        assert browser.clicks <= MOST_CLICKS
        if browser.ask(_in_view(_THERE[what])):
            yield what
        browser.open(cell)
        browser.clicks = 1


def walked(browser: Browser, site: Path, gold: Path) -> set[str]:
    """Hold a report against what it promises, and return the places that were visited on the run's page.

    Each line of sources leads into an open cell, and from each place all that made a number is within two clicks.
    """
    assert without_source(site, gold) == []
    found = lines(site)
    assert {line.page for line in found} >= {"index.html", "cohort.html", "trajectories.html", "data-quality.html"}
    done: set[str] = set()
    for page in dict.fromkeys(line.page for line in found):
        on_page: set[str] = set()
        for line in found:
            for place in line.leads_to if line.page == page else ():
                if place in on_page:
                    continue
                on_page.add(place)
                browser.open(f"{site.as_uri()}/{page}")
                if place in done:
                    browser.click(_link(line, place))
                    assert browser.ask(f"{_CELL}.open"), f"{place} lies in a cell that is not open"
                else:
                    assert set(reached(browser, line, place)) >= _promised(place), f"{place} from {page}"
        done |= on_page
    return done


def _promised(place: str) -> set[str]:
    """Return what has to be within two clicks: what a stage leaves beside its datasets has no columns and no query."""
    kept = {"cell", "log"}
    if place.endswith("-manifest"):
        return kept
    if place.endswith(("-ledger", "-contract")):
        return kept | {"contract"}
    return kept | {"contract", "column", "raw column", "raw file" if place.startswith("made-bronze") else "query"}


def _link(line: Line, place: str) -> str:
    return f"[...document.querySelectorAll('main .source')][{line.number}].querySelector(\"a[href$='#{place}']\")"


def _shown(element: str) -> str:
    return f"(element => !!element && element.checkVisibility() && element.innerText.trim() !== '')({element})"


def _in_view(selector: str) -> str:
    """Return a question whether, behind the place that the address names, something of the kind is shown."""
    return f"""
    (() => {{
      const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (!place || !place.checkVisibility()) return false;
      const after = [...document.querySelectorAll({json.dumps(selector)})]
        .filter(one => place.contains(one) || place.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
      if (!after.length || !after[0].checkVisibility()) return false;
      const top = place.getBoundingClientRect().top;
      return top > -1 && top < innerHeight;
    }})()
    """
