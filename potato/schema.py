"""The data dictionary: every column of every dataset, once.

Contracts, lineage schema facets and the Parquet files themselves are all made from here; no second list of columns
exists. A dataset's columns are in the order in which they are written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from potato import food
from potato.families import FAMILIES, Family
from potato.reasons import FAULTS


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, unit, closed bounds and what it means.

    `minimum` and `maximum` bound what a person can plausibly record; `required` means never null;
    `severity` is what a contract does when a value is out of bounds.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False
    severity: str = "error"


@dataclass(frozen=True)
class Dataset:
    """A table of the lake: `name` is its path below data/, `key` the columns that identify a row."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """Return the column called `name`; KeyError when the dataset has none."""
        return next(column for column in self.columns if column.name == name)

    def arrow(self) -> pa.Schema:
        """Return the Arrow schema, with each column's meaning and unit as field metadata."""
        return pa.schema(
            pa.field(c.name, c.type, not c.required, {"meaning": c.meaning, "unit": c.unit}) for c in self.columns
        )


_text, _int, _float = pa.string(), pa.int32(), pa.float64()

_SOURCE = (
    Column("source_file", _text, "Raw file, relative to the study's raw folder", required=True),
    Column("source_row", _int, "Row of the raw file, counting the header line as row 1", minimum=1, required=True),
)


def _bronze(family: Family) -> Dataset:
    raw = tuple(Column(field.name, _text, f"{field.meaning} (raw text)") for field in family.fields)
    extra = Column("extra", _text, "Columns that the study file does not map, as a JSON object")
    fault = Column("fault", _text, f"What is wrong with the row as a whole: {', '.join(FAULTS)}; else missing")
    return Dataset(
        f"bronze/{family.name}",
        f"{family.meaning}, as it came",
        (*_SOURCE, *raw, extra, fault),
        ("source_file", "source_row"),
    )


BRONZE: dict[str, Dataset] = {name: _bronze(family) for name, family in FAMILIES.items()}

QUARANTINE = Dataset(
    "quarantine",
    "Raw rows that the analysis can't use, with the reason",
    (
        Column("family", _text, "Family of the raw file", required=True),
        *_SOURCE,
        Column("subject_id", _text, "Who the row is about, as far as it says"),
        Column("column", _text, "Column that made the row unusable", required=True),
        Column("value", _text, "Raw text of that column"),
        Column("reason", _text, "Short name of the reason", required=True),
        Column("rule", _text, "The rule that the value broke", required=True),
    ),
    ("family", "source_file", "source_row"),
)

FLAGS = Dataset(
    "silver/flags",
    "Rows that are kept and deserve a second look, with the reason",
    (
        Column("family", _text, "Family of the raw file", required=True),
        *_SOURCE,
        Column("subject_id", _text, "Who the row is about"),
        Column("column", _text, "Column that was flagged", required=True),
        Column("value", _text, "Raw text of that column"),
        Column("flag", _text, "Short name of the reason", required=True),
        Column("rule", _text, "The rule by which the row was flagged, and what was done with it", required=True),
    ),
    ("family", "source_file", "source_row", "column", "flag"),
)

SUBJECTS = Dataset(
    "silver/subjects",
    "Everyone whom the raw files name, with what is known of them",
    (
        Column("subject_id", _text, "Who", required=True),
        Column("nutrition_rows", _int, "Diary entries kept", "entry", 0, required=True),
        Column("weight_rows", _int, "Weigh-ins kept", "weigh-in", 0, required=True),
        Column("fiber_rows", _int, "Days of the fibre roll-up kept", "day", 0, required=True),
        Column("quarantined_rows", _int, "Rows set aside", "row", 0, required=True),
        Column("weight_unit", _text, "Unit of the weights that state none: kg or lb; missing where it is not told"),
        Column("unit_evidence", _text, "What tells the unit: row, subject, study, values; missing without weights"),
        Column("jumps", _int, "Weigh-ins flagged as a one-day jump", "weigh-in", 0, required=True),
    ),
    ("subject_id",),
)

_SUBJECT_WEEK = (
    Column("subject_id", _text, "Who", required=True),
    Column(
        "study_week",
        _int,
        "Week of the study, counted from the person's own first day",
        "week",
        1,
        5_300,
        required=True,
    ),
    Column("group", _text, "Group that the person belongs to"),
    Column("condition", _text, "Condition of the week, where the whole week had one"),
)

_INTAKE = (
    Column("days_logged", _int, "Days with at least one food entry", "day", 0, 7, required=True),
    Column("entries", _int, "Food entries of the week", "entry", 0, 7_000, required=True),
    Column("energy_kcal_per_day", _float, "Energy per logged day", "kcal/day", 0, 20_000, severity="warning"),
    Column("protein_g_per_day", _float, "Protein per logged day", "g/day", 0, 2_000, severity="warning"),
    Column(
        "carbohydrate_g_per_day", _float, "Available carbohydrate per logged day", "g/day", 0, 4_000, severity="warning"
    ),
    Column("fat_g_per_day", _float, "Fat per logged day", "g/day", 0, 2_000, severity="warning"),
    Column("fiber_g_per_day", _float, "Fibre per logged day, from the entries", "g/day", 0, 500, severity="warning"),
    Column(
        "fiber_g_per_1000_kcal", _float, "Fibre per 1,000 kcal of energy", "g/1000 kcal", 0, 250, severity="warning"
    ),
    Column(
        "fiber_rollup_g_per_day", _float, "Fibre per day, from the daily roll-up", "g/day", 0, 500, severity="warning"
    ),
    Column("potato_energy_share", _float, "Share of energy that came from potatoes", "share", 0, 1),
    *(
        Column(f"entries_{category}", _int, f"Food entries that name {category}", "entry", 0, 7_000)
        for category in food.CATEGORIES
    ),
)

_WEEK_WEIGHT = Column("weight_kg", _float, "Mean of the week's weigh-ins", "kg", 25, 350, required=True)
_BASELINE = Column("baseline_weight_kg", _float, "The person's first weigh-in", "kg", 25, 350, required=True)
_N_WEIGHTS = Column("n_weights", _int, "Weigh-ins of the week", "weigh-in", 1, 70, required=True)

STUDY_DAYS = Dataset(
    "silver/study_days",
    "What each person recorded on each day with a usable weigh-in or diary entry",
    (
        Column("subject_id", _text, "Who", required=True),
        Column("study_day", _int, "Day of the study, counted from the person's own first day", "day", 1, 37_000),
        Column("study_week", _int, "Week of the study that the day is in", "week", 1, 5_300, required=True),
        Column("n_weights", _int, "Weigh-ins of the day", "weigh-in", 0, 10, required=True),
        Column("entries", _int, "Food entries; none on a day that lost one with a value", "entry", 0, 1_000),
        Column("energy_kcal", _float, "Energy of the day's entries", "kcal/day", 0, 20_000, severity="warning"),
        Column("potato_energy_share", _float, "Share of energy that came from potatoes", "share", 0, 1),
    ),
    ("subject_id", "study_day"),
)

WEEKLY_FEATURES = Dataset(
    "silver/weekly_features",
    "What each person ate in each study week; a week without a diary is a row of nulls",
    (*_SUBJECT_WEEK, *_INTAKE),
    ("subject_id", "study_week"),
)

SUBJECT_TRAJECTORIES = Dataset(
    "silver/subject_trajectories",
    "What each person weighed in each study week that has a weigh-in",
    (
        *_SUBJECT_WEEK,
        _N_WEIGHTS,
        _WEEK_WEIGHT,
        Column("min_weight_kg", _float, "Lowest weigh-in of the week", "kg", 25, 350, required=True),
        Column("max_weight_kg", _float, "Highest weigh-in of the week", "kg", 25, 350, required=True),
        Column("closing_weight_kg", _float, "Last weigh-in of the week", "kg", 25, 350, required=True),
        Column(
            "weight_change_kg", _float, "Mean weight minus the week before's", "kg/week", -12, 12, severity="warning"
        ),
        _BASELINE,
        Column(
            "change_from_baseline_kg",
            _float,
            "Closing weight minus the first weigh-in",
            "kg",
            -60,
            60,
            required=True,
            severity="warning",
        ),
        Column(
            "slope_kg_per_week",
            _float,
            "The person's least-squares slope over all weigh-ins",
            "kg/week",
            -20,
            20,
            severity="warning",
        ),
        Column(
            "condition_slope_kg_per_week",
            _float,
            "The person's least-squares slope over the weigh-ins of the week's condition",
            "kg/week",
            -20,
            20,
            severity="warning",
        ),
    ),
    ("subject_id", "study_week"),
)

MODELING_DATASET = Dataset(
    "silver/modeling_dataset",
    "Next week's weight change beside this week's intake",
    (
        *_SUBJECT_WEEK,
        Column(
            "next_week_change_kg",
            _float,
            "Next week's mean weight minus this week's",
            "kg/week",
            -12,
            12,
            required=True,
            severity="warning",
        ),
        _WEEK_WEIGHT,
        _BASELINE,
        _N_WEIGHTS,
        *_INTAKE,
    ),
    ("subject_id", "study_week"),
)

# The same without the weigh-ins that are flagged as a one-day jump: gold reports what they do to the results.
TRAJECTORIES_WITHOUT_JUMPS = replace(
    SUBJECT_TRAJECTORIES,
    name="silver/trajectories_without_jumps",
    meaning=f"{SUBJECT_TRAJECTORIES.meaning}, without flagged jumps",
)
MODELING_WITHOUT_JUMPS = replace(
    MODELING_DATASET,
    name="silver/modeling_without_jumps",
    meaning=f"{MODELING_DATASET.meaning}, without flagged jumps",
)

# Dataset: the same without jumps.
WITHOUT_JUMPS = {
    "subject_trajectories": "trajectories_without_jumps",
    "modeling_dataset": "modeling_without_jumps",
}

SILVER: dict[str, Dataset] = {
    dataset.name.removeprefix("silver/"): dataset
    for dataset in (
        STUDY_DAYS,
        WEEKLY_FEATURES,
        SUBJECT_TRAJECTORIES,
        MODELING_DATASET,
        TRAJECTORIES_WITHOUT_JUMPS,
        MODELING_WITHOUT_JUMPS,
        SUBJECTS,
        FLAGS,
    )
}
