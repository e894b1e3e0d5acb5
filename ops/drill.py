"""Loses the lake, MLflow's artifacts and its table, and restores them from their replicas: `make dr.drill`.

It runs against moto's server on this machine, which stands for AWS. Terraform makes everything as on AWS, with
replication, and what moto leaves out is played. ops/disaster-recovery.md says what this proves and what it does not.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ops import losses, replication
from ops.losses import Contents, Places
from ops.replication import Clients
from ops.surroundings import Infrastructure, Pipeline, Stopped

RTO, RPO = timedelta(hours=4), timedelta(hours=1)
ROOT = Path(__file__).parent.parent
REPORT = ROOT / "drill.json"
_FOLDER = re.compile(r".*?/snapshot=\w+|artifacts: experiments/[^/]+/[^/]+|artifacts: models/[^/]+/[^/]+")


@dataclass
class Result:
    """What a drill found. Times are in seconds."""

    failed: list[str] = field(default_factory=list)
    compared: bool = False
    lost_objects: list[str] = field(default_factory=list)
    lost_items: list[str] = field(default_factory=list)
    recovery_seconds: float = 0.0
    age_seconds: float = 0.0
    tracked_before: dict[str, int] = field(default_factory=dict)
    tracked_after: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.failed


class Drill:
    """One drill.

    Parameters
    ----------
    folder : two machines are made in it: one that is lost with the region, and one that recovery begins on.
    behind : for how many minutes nothing had been copied when the primary was lost; else as many as the rules allow.
    sabotage : `missing` or `altered` spoils the replica, to see that the drill fails.
    """

    def __init__(
        self,
        clients: Clients,
        infrastructure: Infrastructure,
        pipeline: Pipeline,
        folder: Path,
        *,
        behind: float | None = None,
        sabotage: str | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._clients, self._infrastructure, self._pipeline = clients, infrastructure, pipeline
        self._here, self._there = folder / "lost", folder / "new"
        self._behind, self._sabotage, self._print = behind, sabotage, say
        self._started = time.monotonic()
        self.result = Result()

    def say(self, text: str) -> None:
        passed = int(time.monotonic() - self._started)
        self._print(f"  {passed // 60}:{passed % 60:02d}  {text}")

    def check(self, held: bool, what: str, otherwise: str = "") -> None:
        self.say(f"{'ok     ' if held else 'FAILED '} {what}{'' if held or not otherwise else f': {otherwise}'}")
        if not held:
            self.result.failed.append(f"{what}{f': {otherwise}' if otherwise else ''}")

    def run(self) -> Result:
        """Run all of it; what fails is in the result."""
        try:
            self._run()
        except Stopped as stopped:
            self.check(False, str(stopped))
        return self.result

    def _run(self) -> None:
        places = self._build()
        copiers, table = self._copiers(places)
        kept, moment, before = self._work(places, copiers, table)
        at_loss = self._work_that_is_not_copied(places, copiers[0])
        lost_at = moment + timedelta(minutes=self._minutes(copiers))

        losses.lose(self._clients, places)
        begin = time.monotonic()
        self.say("LOST: every version of every object, both buckets and the table")
        if self._sabotage:
            key = losses.sabotage(self._clients, places, self._sabotage)
            self.say(f"sabotage: {key} of the replica is {self._sabotage}")

        pushed = self._fail_over(places, before)
        self._rebuild(places, before)
        restored = self._restore(places)
        self._compare(kept, at_loss, restored, places)
        self.result.recovery_seconds = time.monotonic() - begin
        newest = min(pushed, _newest_run(restored))
        self.result.age_seconds = (lost_at - newest).total_seconds()
        self._objectives(moment, lost_at)

    def _build(self) -> Places:
        self.say("Terraform makes the infrastructure with replication; meanwhile the pipeline runs up to silver")
        self._pipeline.prepare(self._here)
        with ThreadPoolExecutor() as pool:
            ran = pool.submit(self._pipeline.first, self._here)
            places = self._infrastructure.apply()
            ran.result()
        self.say(f"made: lake {places.lake}, artifacts {places.artifacts}, table {places.table} in {places.region};")
        self.say(
            f"      their replicas in {places.backup}: {places.lake_replica}, {places.artifacts_replica}, the table"
        )
        return places

    def _copiers(self, places: Places) -> tuple[list[replication.Copier], replication.TableCopier]:
        regions = (places.region, places.backup)
        copiers = []
        for name, bucket in (("the lake", places.lake), ("the artifacts", places.artifacts)):
            rules = self._infrastructure.rules(bucket)
            for rule in rules:
                marks = "on" if replication.says(rule, "DeleteMarkerReplication") else "off"
                about = replication.prefix(rule) or "every key"
                self.say(
                    f"rule {rule['ID']} of {name}: {rule['Status']}, {about}, delete markers {marks}, within "
                    f"{replication.minutes([rule])} minutes to {rule['Destination']['Bucket'].rpartition(':')[2]}"
                )
            copiers.append(replication.Copier(self._clients, regions, bucket, rules))
        return copiers, replication.TableCopier(self._clients, regions, places.table)

    def _work(
        self, places: Places, copiers: Sequence[replication.Copier], table: replication.TableCopier
    ) -> tuple[Contents, datetime, dict[str, str]]:
        """Run the analysis, push and copy it; return what there is, when the copying ended, and fingerprints."""
        self._pipeline.gold(self._here, places)
        self.say(self._potato(self._here, "lake", "push", "--at", f"s3://{places.lake}")[-1])
        copied, changes = [copier.run() for copier in copiers], table.run()
        moment = datetime.now(UTC)
        self.say(
            f"copied by the rules: {copied[0]} versions of the lake, {copied[1]} of artifacts, {changes} changes of"
        )
        self.say(f"      the table. Nothing that is written after {moment:%H:%M:%S} UTC is copied any more")
        for name, copier in zip(("the lake", "the artifacts"), copiers, strict=True):
            skipped = _few(sorted(copier.skipped))
            self.check(not copier.skipped, f"the rules of {name} are about every object", skipped)
        self.result.tracked_before = losses.tracked(places.table)
        return losses.contents(self._clients, places), moment, self._pipeline.fingerprints(self._here)

    def _work_that_is_not_copied(self, places: Places, lake: replication.Copier) -> Contents:
        self._pipeline.gold(self._here, places, other=True)
        self.say(f"another analysis: {self._potato(self._here, 'lake', 'push', '--at', f's3://{places.lake}')[-1]}")
        early = lake.run("manifests/")
        self.say(f"S3 keeps no order: of this push {early} manifests have arrived in the replica, and no data")
        return losses.contents(self._clients, places)

    def _minutes(self, copiers: Sequence[replication.Copier]) -> float:
        if self._behind is not None:
            return self._behind
        promised = [replication.minutes(copier.rules) for copier in copiers]
        if None in promised:
            raise Stopped("a replication rule promises no time, so nothing bounds what can be lost")
        return float(max(each for each in promised if each is not None))

    def _fail_over(self, places: Places, before: dict[str, str]) -> datetime:
        """Get the data onto a new machine from the replica itself; return when they were pushed."""
        self._pipeline.prepare(self._there)
        replica, region = f"s3://{places.lake_replica}", ("--region", places.backup)
        told = self._potato(self._there, "lake", "rewind", "--at", replica, *region)
        for line in told:
            self.say(f"rewind: {line}")
        study = ("--study", self._pipeline.study)
        self.say(self._potato(self._there, "lake", "pull", "--at", replica, *study, region=places.backup)[-1])
        now = self._pipeline.fingerprints(self._there)
        self.check(
            now == before, "bronze, silver, quarantine and gold have the fingerprints from before", _differ(before, now)
        )
        [manifest] = [line for line in told if "pushed" in line]
        return datetime.fromisoformat(manifest.split("pushed ")[1].split(",")[0])

    def _rebuild(self, places: Places, before: dict[str, str]) -> None:
        """Make table and buckets again, and rerun the analysis from the restored bronze in the meantime."""
        regions = (places.region, places.backup)
        count = replication.replicate_back(self._clients, regions, places.table)
        self.say(f"the table is back in {places.region} from its replica: {count} items")
        losses.take_names_again(self._clients, places)
        self.say("both buckets are made again under their old names, which the table's artifacts are addressed by")
        self.say("Terraform makes again what is missing; meanwhile silver and gold are made again from restored bronze")
        with ThreadPoolExecutor() as pool:
            rerun = pool.submit(self._pipeline.again, self._there)
            made = self._infrastructure.apply()
            rerun.result()
        self.check(made == places, "what Terraform made has the old names", str(made))
        replaced = self._infrastructure.replaced
        self.check(not replaced, "Terraform added what was missing, and replaced nothing", ", ".join(replaced))
        now = self._pipeline.fingerprints(self._there)
        self.check(
            now == before,
            "made again from bronze, every byte of silver, quarantine and gold is the same",
            _differ(before, now),
        )

    def _restore(self, places: Places) -> Contents:
        for name, source, target in (
            ("lake", places.lake_replica, places.lake),
            ("artifacts", places.artifacts_replica, places.artifacts),
        ):
            words = ("--from", f"s3://{source}", "--from-region", places.backup, "--at", f"s3://{target}")
            for line in self._potato(self._there, "lake", "restore", *words):
                self.say(f"restore the {name}: {line}")
        at = ("--at", f"s3://{places.lake}")
        verified = self._potato(self._there, "lake", "verify", *at, "--study", self._pipeline.study)[-1]
        self.check("all files are the same" in verified, f"potato lake verify: {verified}")
        pushed = self._potato(self._there, "lake", "push", *at)[-1]
        self.check(": 0 files sent" in pushed, f"a push of what was made again sends nothing: {pushed}")
        return losses.contents(self._clients, places)

    def _compare(self, kept: Contents, at_loss: Contents, restored: Contents, places: Places) -> None:
        """Hold what is restored against what was copied in time, and list what was there at the loss and is not."""
        for name in ("lake", "artifacts", "table"):
            missing = losses.gone(getattr(kept, name), getattr(restored, name))
            total = len(getattr(kept, name))
            what = "item of the table" if name == "table" else f"object of the {name}"
            self.check(not missing, f"each {what} that was copied in time is there as it was ({total})", _few(missing))
        self.result.tracked_after = losses.tracked(places.table)
        same = self.result.tracked_after == self.result.tracked_before
        counts = ", ".join(f"{number} {name}" for name, number in self.result.tracked_after.items())
        self.check(same, f"MLflow reads from the table: {counts}", f"before: {self.result.tracked_before}")
        self.result.compared = True
        for name in ("lake", "artifacts"):
            for key in losses.gone(getattr(at_loss, name), getattr(restored, name)):
                self.result.lost_objects.append(f"{name}: {key}")
        self.result.lost_items = [" ".join(key) for key in losses.gone(at_loss.table, restored.table)]

    def _objectives(self, moment: datetime, lost_at: datetime) -> None:
        took, age = timedelta(seconds=self.result.recovery_seconds), timedelta(seconds=self.result.age_seconds)
        self.check(took <= RTO, f"recovery took {_clock(took)} of the {_clock(RTO)} that it may take (RTO)")
        supposed = f"copies ended {_clock(lost_at - moment)} before the loss"
        self.check(
            age <= RPO, f"the newest restored data are {_clock(age)} old, {_clock(RPO)} are allowed (RPO); {supposed}"
        )

    def _potato(self, machine: Path, *words: str, region: str | None = None) -> list[str]:
        told = self._pipeline.potato(machine, *words, region=region)
        return [line.strip() for line in told.splitlines() if line.strip()] or [""]


def _newest_run(restored: Contents) -> datetime:
    """Return when the newest run in the table ended; MLflow keeps milliseconds since 1970."""
    ended = [int(item["end_time"]["N"]) for item in restored.table.values() if "N" in item.get("end_time", {})]
    if not ended:
        raise Stopped("the restored table has no run that ended")
    return datetime.fromtimestamp(max(ended) / 1000, UTC)


def _differ(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    return ", ".join(sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)))


def _few(keys: Sequence[Any], most: int = 5) -> str:
    listed = ", ".join(" ".join(key) if isinstance(key, tuple) else str(key) for key in keys[:most])
    return f"{len(keys)} are not: {listed}{' ...' if len(keys) > most else ''}"


def _clock(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def told(result: Result) -> str:
    """Return what a person reads at the end: what was lost, what can be made again, and the verdict."""
    if not result.compared:
        lines = ["", "The drill stopped before it could be told what was lost."]
        return "\n".join([*lines, "", "THE DRILL FAILED:", *(f"  {what}" for what in result.failed)])
    lines = ["", f"Lost for good: {len(result.lost_objects)} objects and {len(result.lost_items)} items of the table."]
    lines += [f"  {_count(number, 'object')} {name}/" for name, number in _folders(result.lost_objects)]
    lines += [f"  {_count(number, 'item')} the table: run or model {name}" for name, number in _runs(result.lost_items)]
    raw = [name for name in result.lost_objects if name.startswith("lake: bronze/")]
    lines.append(
        f"{len(raw)} of them are bronze, and need the raw files to be made again."
        if raw
        else "None of them is bronze: the analysis that was lost can be run again from what was restored."
    )
    if result.passed:
        return "\n".join([*lines, "", "The drill passed."])
    return "\n".join([*lines, "", "THE DRILL FAILED:", *(f"  {what}" for what in result.failed)])


def _folders(objects: Sequence[str]) -> list[tuple[str, int]]:
    """Return each snapshot of a dataset, and each run or model of MLflow, with how many of its objects are lost."""
    found = [(_FOLDER.match(name), name) for name in objects]
    return sorted(Counter(match[0] if match else name.rpartition("/")[0] for match, name in found).items())


def _runs(items: Sequence[str]) -> list[tuple[str, int]]:
    """Return each run and model with how many of its items are lost; their range keys begin with its id."""
    return sorted(Counter(name.split()[-1].split("#")[0] for name in items).items())


def _count(number: int, what: str) -> str:
    return f"{number:>4} {what}{'s' if number != 1 else ' '} of"


def main() -> int:
    """Run the drill; 0 if every check held, 1 if one did not, 2 if something that it needs is missing."""
    parser = argparse.ArgumentParser(prog="make dr.drill", description=__doc__)
    parser.add_argument(
        "--behind", type=float, metavar="MINUTES", help="nothing was copied for so long before the loss"
    )
    parser.add_argument("--sabotage", choices=("missing", "altered"), help="spoil the replica: the drill has to fail")
    parser.add_argument("--report", type=Path, default=REPORT, metavar="FILE", help="gets the result as JSON")
    asked = parser.parse_args()
    from ops import surroundings

    if lacking := surroundings.lacking():
        print("The drill can't be run here:", *lacking, sep="\n  ", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="potato-drill-") as name, surroundings.aws() as clients:
        print("Recovery drill against moto's server, which stands for AWS", flush=True)
        infrastructure = surroundings.Terraform(Path(name) / "project", clients)
        if reason := infrastructure.why_not():
            print(f"The drill can't be run here:\n  {reason}", file=sys.stderr)
            return 2
        drill = Drill(
            clients,
            infrastructure,
            surroundings.Demo(),
            Path(name),
            behind=asked.behind,
            sabotage=asked.sabotage,
            say=lambda text: print(text, flush=True),
        )
        result = drill.run()
    print(told(result))
    asked.report.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    print(f"Every key that was lost is in {asked.report}")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
