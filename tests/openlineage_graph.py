"""Whether the events of one run fit together: datasets, columns and runs that are named are also told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Event = dict[str, Any]
Name = tuple[str, str]
HOWS = {
    "DIRECT": {"IDENTITY", "TRANSFORMATION", "AGGREGATION"},
    "INDIRECT": {"JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"},
}
"""The words of OpenLineage's page on the facet columnLineage."""


def name(dataset: dict[str, Any]) -> Name:
    return dataset["namespace"], dataset["name"]


def columns(events: Sequence[Event]) -> dict[Name, set[str]]:
    """Return the columns of each dataset that some event tells of, empty for one without a schema."""
    found: dict[Name, set[str]] = {}
    for event in events:
        for dataset in event["inputs"] + event["outputs"]:
            fields = dataset["facets"].get("schema", {}).get("fields", [])
            found.setdefault(name(dataset), set()).update(field["name"] for field in fields)
    return found


def unresolved(events: Sequence[Event]) -> Iterator[str]:
    """Yield what an event names and no event tells of."""
    known, written = columns(events), set[Name]()
    for event in events:
        job, read = event["job"]["name"], {name(dataset) for dataset in event["inputs"]}
        for source in read - written:
            yield f"{job} reads {source}, which nobody wrote before"
        for dataset in event["outputs"]:
            facets = dataset["facets"]
            for column, made in facets.get("columnLineage", {}).get("fields", {}).items():
                if column not in known[name(dataset)]:
                    yield f"{name(dataset)} has no column {column}"
                yield from _lost(f"{name(dataset)}.{column}", made["inputFields"], read, known, job)
            whole = facets.get("columnLineage", {}).get("dataset", [])
            yield from _lost(f"{name(dataset)}", whole, read, known, job)
            for assertion in facets.get("dataQualityAssertions", {}).get("assertions", []):
                if assertion.get("column") and assertion["column"] not in known[name(dataset)]:
                    yield f"an assertion on {assertion['column']}, which {name(dataset)} lacks"
            written.add(name(dataset))


def _lost(made: str, sources: Sequence[Any], read: set[Name], known: dict[Name, set[str]], job: str) -> Iterator[str]:
    for source in sources:
        if name(source) not in read:
            yield f"{made} comes from {name(source)}, which {job} does not read"
        elif source["field"] not in known[name(source)]:
            yield f"{made} comes from {source['field']}, which {name(source)} lacks"
        for how in source["transformations"] or ({},):
            if how.get("subtype") not in HOWS.get(how.get("type"), ()):
                yield f"{made} comes from {source['field']} by {how}"


def untraced(events: Sequence[Event]) -> Iterator[tuple[str, str]]:
    """Yield (dataset, column) of written columns without a source."""
    for event in events:
        for dataset in event["outputs"]:
            fields = dataset["facets"].get("columnLineage", {}).get("fields", {})
            for column in dataset["facets"].get("schema", {}).get("fields", []):
                if not fields.get(column["name"], {}).get("inputFields"):
                    yield dataset["name"], column["name"]
