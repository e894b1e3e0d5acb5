"""The text of the report's pages: what depends on the data is put in before a renderer sees a page.

Pages are Quarto Markdown. Three things in them depend on the data, and all three are resolved here, so that
Quarto and pandoc are handed the same text and cannot disagree about it:

- `{{< var a.b >}}`: a number or a sentence of gold
- `{{< include _parts/NAME.md >}}`: a figure, a table or another generated part
- `::: {.content-visible when-meta="figure.NAME"}`: what is shown only where the study has it (also
  table.NAME, page.NAME and number.a.b; `unless-meta` for the opposite)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from potato.errors import PotatoError, nearest
from potato.sources import Sources

_VARIABLE = re.compile(r"\{\{<\s*var\s+(\S+)\s*>\}\}")
_INCLUDE = re.compile(r"\{\{<\s*include\s+_parts/(\S+)\.md\s*>\}\}")
_SHORTCODE = re.compile(r"\{\{<.*?>\}\}")
_FENCE = re.compile(r"^:{3,}\s*(?P<what>.*?):*\s*$")
_CONDITION = re.compile(r'^\{\s*\.content-visible\s+(?P<sense>when|unless)-meta="(?P<name>[^"]+)"\s*\}$')
_LABEL = re.compile(r"#((?:fig|tbl)-[\w-]*\w)")
_REFERENCE = re.compile(r"(?<![\w@\\])@((?:fig|tbl)-[\w-]*\w)")


@dataclass(frozen=True)
class Context:
    """What pages can name: variables and parts, and which pages, figures and tables there are.

    With `sources` a line under the text says where its numbers come from.
    """

    variables: Mapping[str, str]
    parts: Mapping[str, str] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()
    sources: Sources | None = None

    def holds(self, condition: str, page: str) -> bool:
        """Tell whether `condition`, such as figure.forest or number.study.notice, is true for this study."""
        kind, _, name = condition.partition(".")
        if kind == "number":
            return bool(self.variables.get(name, "").strip())
        if kind in ("figure", "table", "page"):
            return condition in self.shown
        raise PotatoError(
            f"The page {page} asks for a condition that does not exist.",
            where=f"reports/{page}",
            expected="figure.NAME, table.NAME, page.NAME or number.NAME",
            found=condition,
            nearest=nearest(kind, ("figure", "table", "page", "number")),
        )


def flatten(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return a nested mapping as one level with dotted names; None becomes an empty text."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{dotted}.")
        else:
            flat[dotted] = "" if value is None else str(value)
    return flat


def front_matter(page: str, text: str) -> dict[str, Any]:
    """Return the YAML block that a page begins with; PotatoError when it has no title."""
    blocks = text.split("---\n", 2)
    values = yaml.safe_load(blocks[1]) if len(blocks) == 3 and not blocks[0] else None
    if not isinstance(values, dict) or not values.get("title"):
        raise PotatoError(
            f"The page {page} does not say what it is called.",
            where=f"reports/{page}",
            expected="a first block between two lines of ---, with a title",
        )
    return values


def expand(page: str, text: str, context: Context) -> str:
    """Return the page's text with conditions, variables and parts resolved.

    Raises
    ------
    PotatoError : naming the page and what it asked for, with the nearest name that exists.
    """
    text = _conditional(page, text, context)
    if context.sources:
        text = _sourced(text, context, context.sources)
    text = _VARIABLE.sub(lambda match: _variable(page, match[1], context), text)
    text = _INCLUDE.sub(lambda match: _part(page, match[1], context), text)
    if left := _SHORTCODE.search(text):
        raise PotatoError(
            f"The page {page} holds a shortcode that the report does not know.",
            where=f"reports/{page}",
            expected="{{< var NAME >}} or {{< include _parts/NAME.md >}}",
            found=left[0],
        )
    _check_references(page, text)
    return text


def _variable(page: str, name: str, context: Context) -> str:
    if name not in context.variables:
        raise PotatoError(
            f"The page {page} shows the variable {name}, which nothing provides.",
            where=f"reports/{page}",
            expected="a name in data/gold/reports/numbers.json, or one of the report's own",
            found=name,
            nearest=nearest(name, context.variables),
            hint="correct the name in the page, or write the number in gold and type `dvc repro`",
        )
    return context.variables[name]


def _part(page: str, name: str, context: Context) -> str:
    if name not in context.parts:
        raise PotatoError(
            f"The page {page} shows the {name.replace('-', ' ', 1)}, which gold does not hold.",
            where=f"reports/{page}",
            expected="a figure of data/gold/figures/figures.json or a table of data/gold/reports/tables.json",
            found=name,
            nearest=nearest(name, context.parts),
            hint='if some studies lack it, put it into `::: {.content-visible when-meta="figure.NAME"}`',
        )
    return context.parts[name]


def _conditional(page: str, text: str, context: Context) -> str:
    """Return the text without the blocks whose condition is false, and without the fences of the others."""
    kept: list[str] = []
    fences: list[tuple[bool, bool]] = []
    in_code = False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        fence = None if in_code else _FENCE.match(line)
        visible = all(shown for _, shown in fences)
        if fence is None:
            if visible:
                kept.append(line)
        elif fence["what"]:
            condition = _CONDITION.match(fence["what"])
            if condition is None:
                fences.append((False, True))
                if visible:
                    kept.append(line)
            else:
                wanted = condition["sense"] == "when"
                fences.append((True, context.holds(condition["name"], page) is wanted))
        elif not fences:
            raise PotatoError(f"The page {page} closes a block that was not opened.", where=f"reports/{page}")
        else:
            conditional, _ = fences.pop()
            if not conditional and visible:
                kept.append(line)
    if fences:
        raise PotatoError(f"The page {page} opens a block and does not close it.", where=f"reports/{page}")
    return "\n".join(kept) + "\n"


def _sourced(text: str, context: Context, sources: Sources) -> str:
    """Return the text with a line of sources after each stretch of it whose numbers come from the same datasets.

    A stretch ends at a heading, and at a part, which has a line of its own.
    """
    kept: list[str] = []
    pending: tuple[str, ...] = ()
    for block in _blocks(text):
        heading = block.startswith("#")
        names = [name for name in _VARIABLE.findall(block) if not heading]
        found = tuple(dict.fromkeys(s for name in names for s in sources.of(name, context.variables.get(name, ""))))
        ends = heading or block.startswith("```") or _INCLUDE.search(block)
        if pending and (ends or (found and found != pending)):
            kept.append(sources.line(pending))
            pending = ()
        kept.append(block)
        pending = found or pending
    return "\n\n".join([*kept, sources.line(pending)] if pending else kept).rstrip("\n") + "\n"


def _blocks(text: str) -> list[str]:
    """Return the text in blocks: paragraphs, lists, listings, and blocks between fences as a whole."""
    blocks: list[list[str]] = [[]]
    depth, in_code = 0, False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code and (fence := _FENCE.match(line)):
            depth += 1 if fence["what"] else -1
        if line.strip() or depth or in_code:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if block]


def _check_references(page: str, text: str) -> None:
    labels = _LABEL.findall(text)
    for reference in _REFERENCE.findall(text):
        if reference not in labels:
            raise PotatoError(
                f"The page {page} refers to @{reference}, which is not on it.",
                where=f"reports/{page}",
                expected="the name of a figure (fig-...) or table (tbl-...) of the same page",
                found=f"@{reference}",
                nearest=nearest(reference, labels),
            )
