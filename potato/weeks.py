"""All subject-weeks of a study: which each model uses, and why it lacks the others."""

from __future__ import annotations

import pandas as pd

from potato.design import Finding, Sample, Verdict
from potato.models import Training
from potato.results import WEEKS

USED = "used"
# In the order in which a week is asked; the first that holds is its reason.
REASONS = {
    "last": "the person's last week, which has no next one",
    "not_weighed": "no weigh-in in the week",
    "next_not_weighed": "no weigh-in in the next week",
    "few_weights": "too few weigh-ins in one of the two weeks",
    "no_diary": "no diary in the week",
    "intake": "some intake not recorded",
    "only_week": "the person's only week of this kind",
}
MIN_SHARE = 0.5
_KEY = ["subject_id", "study_week"]


def table(training: Training, weekly: pd.DataFrame, trajectories: pd.DataFrame, modeling: pd.DataFrame) -> pd.DataFrame:
    """Count every subject-week once for each model, in the columns of WEEKS.

    Parameters
    ----------
    training : what `models.train` returned; each of its models is counted.
    weekly, trajectories, modeling : silver's weekly_features (every week of the study), subject_trajectories (weeks
        with a weigh-in) and modeling_dataset (weeks whose next week was weighed, too).
    """
    pooled = _reasons(training.sample, weekly, trajectories, modeling)
    within = training.sample.within().frame[_KEY]
    rows = []
    for model in training.fits:
        reason = pooled
        if model == "fixed_effects":
            kept = pd.MultiIndex.from_frame(within)
            reason = pooled.mask((pooled == USED) & ~pooled.index.isin(kept), "only_week")
        counts = reason.value_counts()
        rows += [(model, outcome, int(counts.get(outcome, 0))) for outcome in (USED, *REASONS)]
    return pd.DataFrame(rows, columns=WEEKS.names)


def _reasons(
    sample: Sample, weekly: pd.DataFrame, trajectories: pd.DataFrame, modeling: pd.DataFrame
) -> pd.Series[str]:
    """Return for each subject-week whether the pooled model uses it, else the first reason that holds."""
    key = pd.MultiIndex.from_frame(pd.concat([weekly[_KEY], trajectories[_KEY], modeling[_KEY]]).drop_duplicates())
    key = key.sort_values()
    who, week = key.get_level_values(0), key.get_level_values(1)
    following = pd.MultiIndex.from_arrays([who, week + 1])
    weighed = pd.MultiIndex.from_frame(trajectories[_KEY])
    modelled = modeling.set_index(_KEY)
    told = modelled.index[modelled[sample.outcome].notna()]
    with_diary = modelled.index[modelled["days_logged"] > 0]
    last = week == pd.Series(week, who).groupby(level=0).transform("max").to_numpy()
    tests = {
        USED: key.isin(pd.MultiIndex.from_frame(sample.frame[_KEY])),
        "last": last,
        "not_weighed": ~key.isin(weighed),
        "next_not_weighed": ~following.isin(weighed),
        "few_weights": ~key.isin(told),
        "no_diary": ~key.isin(with_diary),
    }
    reason = pd.Series("intake", index=key)
    for name, holds in reversed(tests.items()):
        reason = reason.mask(holds, name)
    return reason


def findings(counted: pd.DataFrame, training: Training) -> list[Finding]:
    """Return for each model how much of the study it uses; a sum that is not right fails."""
    made = []
    for model, rows in counted.groupby("model", sort=False):
        weeks = rows.set_index("outcome")["weeks"]
        total, used = int(weeks.sum()), int(weeks[USED])
        expected = training.fits[str(model)].n_obs
        if used != expected:
            text = f"{used} person-weeks are counted as used, and the model states {expected}."
            made.append(Finding("share_used", str(model), "fail", text, float(used), float(expected)))
            continue
        usable = total - int(weeks["last"])
        share = used / usable if usable else 0.0
        lost = weeks.drop([USED, "last"])
        lost = lost[lost > 0].sort_values(ascending=False, kind="stable")
        text = (
            f"Of {total:,} person-weeks, {weeks['last']:,} {'has' if weeks['last'] == 1 else 'have'} no next week;"
            f" the model uses {used:,} of the other"
            f" {usable:,} ({share:.0%})."
        )
        if len(lost):
            text += f" Most of the rest: {REASONS[str(lost.index[0])]} ({lost.iloc[0]:,})."
        verdict: Verdict = "pass" if share >= MIN_SHARE else "caution"
        made.append(Finding("share_used", str(model), verdict, text, share, MIN_SHARE))
    return made
