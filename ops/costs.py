"""What the project costs on AWS, from prices and sizes that stand here and nowhere else: `python ops/costs.py`.

It writes the tables between the marks in infra/README.md and ops/disaster-recovery.md. `--check` only compares.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ("infra/README.md", "ops/disaster-recovery.md")
AS_OF = "November 2025"
HOURS = 730  # in a month, as AWS counts

# US dollars: AWS's public list prices for us-east-1, which us-west-2 shares, as they were known at AS_OF.
KEY, ALARM, METRIC = 1.00, 0.10, 0.30  # a month each
ENDPOINT_HOUR, NAT_HOUR = 0.01, 0.045  # an interface endpoint in one zone; a NAT gateway
STANDARD, INFREQUENT, GLACIER = 0.023, 0.0125, 0.0036  # a GB of S3 and month
IMAGES = 0.10  # a GB and month
ACROSS, IN_TIME, RETRIEVED = 0.02, 0.015, 0.01  # a GB to another region; copied in 15 minutes; read from INFREQUENT
WRITES, WRITES_COPIED, SET_BACK = 0.625, 0.625, 0.20  # a million writes, and again in the replica; a GB of PITR a month
MOVED = 0.01 + 0.03  # 1,000 objects into INFREQUENT and then into GLACIER

# What is at rest besides data, as infra/terraform makes it.
ALARMS, METRICS, ENDPOINTS = 4, 2, 3
REPLICA_ALARMS, REPLICA_METRICS = 2, 7

# The example: a lake that has grown evenly for so many months, with MLflow beside it.
MONTHS, BRONZE, SILVER, GOLD, ARTIFACTS = 10, 6, 2, 2, 2  # GB a month
OBJECT_MB, TABLE, TABLE_WRITES = 10, 1, 0.1  # of an object of bronze; GB; millions a month

Row = tuple[str, str]


def at_rest() -> list[Row]:
    """Return what is paid with no job running and next to no data."""
    by_use = f"by use: {STANDARD} a GB of S3 Standard, {_dollars(IMAGES)} a GB of images"
    return [
        ("one KMS key", _dollars(KEY)),
        (f"{_word(ALARMS)} alarms", _dollars(ALARMS * ALARM)),
        (f"{_word(METRICS)} metrics made of log lines", _dollars(METRICS * METRIC)),
        ("buckets, table, logs, images", f"{by_use}; the table costs nothing without requests"),
        (
            f"`compute = true`: {_word(ENDPOINTS)} interface endpoints in one zone",
            f"{ENDPOINTS * ENDPOINT_HOUR * HOURS:.0f}",
        ),
        (
            f"`replication = true`: a key and {_word(REPLICA_ALARMS)} alarms in the second region",
            _dollars(KEY + REPLICA_ALARMS * ALARM),
        ),
        (
            "`replication = true`: metrics of replication, three to four for each bucket",
            f"about {REPLICA_METRICS * METRIC:.0f}",
        ),
    ]


def example() -> list[Row]:
    """Return what the data of the example cost a month, in its last month."""
    lake, artifacts = MONTHS * (BRONZE + SILVER + GOLD), MONTHS * ARTIFACTS
    new = BRONZE + SILVER + GOLD + ARTIFACTS
    rows = [
        (f"lake, {lake} GB, as the lifecycle keeps it", bronze_moved() + MONTHS * (SILVER + GOLD) * STANDARD),
        (f"MLflow's artifacts, {artifacts} GB", artifacts * STANDARD),
        (
            f"table, {TABLE} GB, {TABLE_WRITES * 1e6:,.0f} writes, point-in-time recovery",
            TABLE * SET_BACK + TABLE_WRITES * WRITES,
        ),
        (f"replica: {lake + artifacts} GB in Infrequent Access", (lake + artifacts) * INFREQUENT),
        (f"replica: {new} GB that are new, sent to the second region in 15 minutes", new * (ACROSS + IN_TIME)),
        ("replica: the table, with point-in-time recovery", TABLE * SET_BACK + TABLE_WRITES * WRITES_COPIED),
    ]
    total = sum(price for _, price in rows)
    return [(what, _dollars(price)) for what, price in rows] + [("together", _dollars(total))]


def bronze_moved() -> float:
    """Return what bronze costs a month: new in Standard, for two months in Infrequent Access, then in Glacier."""
    return BRONZE * (STANDARD + 2 * INFREQUENT + (MONTHS - 3) * GLACIER)


def lifecycle() -> list[Row]:
    """Return what moving bronze to colder storage saves in the example's last month."""
    unmoved, objects = MONTHS * BRONZE * STANDARD, BRONZE * 1000 / OBJECT_MB
    moves = objects / 1000 * MOVED
    saved = unmoved - bronze_moved() - moves
    return [
        (f"bronze, {MONTHS * BRONZE} GB, all in S3 Standard", _dollars(unmoved)),
        (
            f"under the lifecycle: {BRONZE} GB Standard, {2 * BRONZE} GB Infrequent Access, the rest Glacier",
            _dollars(bronze_moved()),
        ),
        (f"moving {objects:,.0f} objects of {OBJECT_MB} MB a month, twice", _dollars(moves)),
        ("saved a month", f"{_dollars(saved)}, {saved / unmoved:.0%}"),
    ]


def recovery() -> list[Row]:
    """Return what one restore of the example costs, besides what is at rest."""
    size = MONTHS * (BRONZE + SILVER + GOLD + ARTIFACTS)
    back = size * (ACROSS + RETRIEVED)
    again = size * (ACROSS + IN_TIME)
    return [
        (f"{size} GB read from the replica and sent back", _dollars(back)),
        (f"the same {size} GB replicated once more, as new objects", _dollars(again)),
        ("together, once", _dollars(back + again)),
    ]


def facts() -> dict[str, str]:
    """Return the marked parts of the pages by their names."""
    when = f"AWS's public list prices for us-east-1 as of {AS_OF}"
    nat = f"about {NAT_HOUR * HOURS:.0f}"
    return {
        "at-rest": f"In US dollars a month, from {when},\n"
        "with no job running and next to no data. Look the prices up before you rely on them.\n\n"
        f"{_table('at rest', at_rest())}",
        "nat": f"The endpoints are nearly all of it; a NAT gateway would be {nat} and more by the GB.",
        "bronze": f"Bronze costs {STANDARD} a GB and month at first, {INFREQUENT} after 30 days and {GLACIER} after "
        "90.",
        "prices": f"In US dollars, from {when}. They change: look them\nup before you rely on them.",
        "lake": f"The example is a lake that has grown for {MONTHS} months by {BRONZE} GB of bronze, {SILVER} GB of "
        f"silver and {GOLD} GB of gold each,\nand by {ARTIFACTS} GB of MLflow's artifacts beside it.",
        "example": _table("a month", example()),
        "lifecycle": _table("a month", lifecycle()),
        "recovery": _table("once", recovery()),
    }


def written(text: str) -> str:
    """Return a page with its marked parts as they are now."""
    made = facts()

    def part(found: re.Match[str]) -> str:
        return f"{found[1]}\n{made[found[2]]}\n{found[3]}"

    return re.sub(r"(<!-- costs: ([\w-]+) -->)\n.*?\n(<!-- /costs -->)", part, text, flags=re.DOTALL)


def _table(title: str, rows: list[Row]) -> str:
    return "\n".join([f"| | {title} |", "|---|---|", *(f"| {what} | {price} |" for what, price in rows)])


def _dollars(price: float) -> str:
    return f"{price:.2f}"


def _word(number: int) -> str:
    return ("no", "one", "two", "three", "four", "five")[number]


def main() -> int:
    """Write the pages, or with --check say which one is out of date."""
    stale = 0
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        if "--check" in sys.argv:
            if written(text) != text:
                print(f"{page} has other costs than ops/costs.py; type: python ops/costs.py")
                stale = 1
        else:
            path.write_text(written(text), encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
