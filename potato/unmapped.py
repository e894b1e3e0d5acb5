"""Columns that a study does not map, kept beside the others as one JSON object a row."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

# What JSON writes in another way than it stands.
_ESCAPED = r'[\x00-\x1f"\\]'


def as_json(rows: pa.Table, names: Mapping[int, str]) -> pa.ChunkedArray:
    """Return for each row the text of `names` (position: name) and its overflow as JSON; null where there is none.

    The text is the one that json.dumps gives, with a cell that is absent left out.
    """
    overflown = rows["overflow"].null_count < rows.num_rows
    if not names and not overflown:
        return pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])
    return pa.chunked_array([_batch(batch, names, overflown) for batch in rows.to_batches()], pa.string())


def _batch(rows: pa.RecordBatch, names: Mapping[int, str], overflown: bool) -> pa.Array:
    members = [
        pc.binary_join_element_wise(
            f', {json.dumps(name, ensure_ascii=False)}: "', _escaped(rows.column(str(i))), '"', ""
        )
        for i, name in names.items()
    ]
    if overflown:
        members.append(pc.binary_join_element_wise(", ", rows.column("overflow"), ""))
    # Arrow's own way to skip nulls in a join loses the rows that have nothing else.
    joined = pc.binary_join_element_wise(*(pc.fill_null(member, "") for member in members), "")
    inside = pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), pc.utf8_slice_codeunits(joined, 2))
    return pc.binary_join_element_wise("{", inside, "}", "")


def _escaped(texts: pa.Array) -> pa.Array:
    special = pc.fill_null(pc.match_substring_regex(texts, _ESCAPED), False)
    if not pc.any(special).as_py():
        return texts
    escaped = [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts.filter(special).to_pylist()]
    return pc.replace_with_mask(texts, special, pa.array(escaped, pa.string()))
