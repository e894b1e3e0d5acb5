"""Documents of any number of entries in a table whose items hold 400 KB, changed by several writers at once.

A document is one item with plain attributes and maps. Entries of maps that it has no room for go into pages, items
beside it whose range key begins with its own. Each write has the next revision as its condition, so that none is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from potato.dynamodb_errors import Conflict, refusal
from potato.dynamodb_table import HASH, RANGE, Item, Key, Table, pauses, size

_ROOM = 300_000  # bytes for each item, of 400 KB: the rest is for names and for attributes
_MOST_PAGES = 12  # one transaction takes 4 MB
_ATTEMPTS = 60
T = TypeVar("T")


@dataclass
class Document:
    """One run, experiment or logged model.

    Attributes
    ----------
    key : partition and range key.
    values : plain attributes by name.
    maps : maps of entries by name, such as params.
    revision : counts the writes; 0 before the first.
    pages : how many items beside the document's own hold the rest of its maps.
    """

    key: Key
    values: Item
    maps: dict[str, dict[str, Any]] = field(default_factory=dict)
    revision: int = 0
    pages: int = 0


def load(table: Table, key: Key) -> Document | None:
    """Return a document as it is now, or None when there is none."""
    return next(load_many(table, [key]), None)


def load_many(table: Table, keys: Iterable[Key]) -> Iterator[Document]:
    """Yield the documents that are there, in the order of `keys`."""
    keys = list(keys)
    items = table.get_many(keys) if len(keys) > 1 else [item for item in map(table.get, keys) if item]
    wanted = [_page(item, number) for item in items for number in range(1, item["pages"] + 1)]
    pages = {(page[HASH], page[RANGE]): page for page in table.get_many(wanted)}
    for item in items:
        own = [pages.get(_page(item, number)) for number in range(1, item["pages"] + 1)]
        if all(page and page["revision"] == item["revision"] for page in own):
            yield _joined(item, [page for page in own if page])
        else:  # another writer was there between the two questions
            yield from _load_again(table, (item[HASH], item[RANGE]))


def _load_again(table: Table, key: Key) -> Iterator[Document]:
    for wait in pauses(_ATTEMPTS, longest=0.5):
        time.sleep(wait)
        item = table.get(key)
        if item is None:
            return
        own = table.get_many(_page(item, number) for number in range(1, item["pages"] + 1))
        if len(own) == item["pages"] and all(page["revision"] == item["revision"] for page in own):
            yield _joined(item, own)
            return
    raise refusal(f"{key[1]} is written by others without pause: try again later.", "TEMPORARILY_UNAVAILABLE")


def create(table: Table, document: Document, *others: dict[str, Any]) -> None:
    """Write a new document together with the actions `others`, all or nothing.

    Raises
    ------
    Conflict : there is such a document, or a condition of `others` does not hold.
    """
    items = _split(document)
    first = table.put_action(items[0], f"attribute_not_exists({RANGE})")
    table.transact(first, *map(table.put_action, items[1:]), *others)


def save(table: Table, document: Document, *others: dict[str, Any]) -> None:
    """Write a document that was loaded, together with the actions `others`.

    Raises
    ------
    Conflict : another writer has changed it since, or a condition of `others` does not hold.
    """
    before, items = document.pages, _split(document)
    condition, values = "revision = :known", {":known": document.revision}
    gone = [_page(items[0], number) for number in range(len(items), before + 1)]
    if len(items) == 1 and not gone and not others:
        table.put(items[0], condition, values)
        return
    first = table.put_action(items[0], condition, values)
    table.transact(first, *map(table.put_action, items[1:]), *map(table.delete_action, gone), *others)


def change(table: Table, find: Callable[[], Document], edit: Callable[[Document], T]) -> T:
    """Load a document, edit and save it, again until no other writer comes between; return what `edit` did.

    Parameters
    ----------
    find : loads the document, or raises when there is none.
    edit : changes the document that it is given; an error that it raises leaves the table as it was.
    """
    for wait in pauses(_ATTEMPTS, longest=0.5):
        document = find()
        result = edit(document)
        try:
            save(table, document)
        except Conflict:
            time.sleep(wait)
        else:
            return result
    raise refusal(f"{document.key[1]} is written by others without pause: try again later.", "TEMPORARILY_UNAVAILABLE")


def _page(item: Item, number: int) -> Key:
    return item[HASH], f"{item[RANGE]}#page#{number:03}"


def _joined(item: Item, pages: list[Item]) -> Document:
    maps: dict[str, dict[str, Any]] = {}
    values = {}
    for name, value in item.items():
        if isinstance(value, dict):
            maps[name] = dict(value)
        elif name not in (HASH, RANGE, "revision", "pages"):
            values[name] = value
    for page in pages:
        for name, entries in page.items():
            if isinstance(entries, dict):
                maps.setdefault(name, {}).update(entries)
    return Document((item[HASH], item[RANGE]), values, maps, item["revision"], item["pages"])


def _split(document: Document) -> list[Item]:
    """Return the items that hold a document: its own, and pages where that has no room."""
    keys = dict(zip((HASH, RANGE), document.key, strict=True))
    first: Item = keys | document.values | {name: {} for name in document.maps}
    items, room = [first], _ROOM - size(first)
    for name, entries in document.maps.items():
        for entry, value in entries.items():
            needed = size({entry: value})
            if needed > _ROOM:
                raise refusal(
                    f"{entry!r} of {document.key[1]} has {needed:,} bytes; DynamoDB keeps {_ROOM:,} in one piece."
                )
            if needed > room:
                items.append({HASH: document.key[0]})
                room = _ROOM
            items[-1].setdefault(name, {})[entry] = value
            room -= needed
    if len(items) - 1 > _MOST_PAGES:
        raise refusal(
            f"{document.key[1]} would have more than {_MOST_PAGES * _ROOM:,} bytes of params, tags and metrics; "
            "DynamoDB writes no more at once."
        )
    for number, item in enumerate(items[1:], 1):
        item[RANGE] = _page(first, number)[1]
    for item in items:
        item["revision"] = document.revision + 1
    first["pages"] = len(items) - 1
    return items
