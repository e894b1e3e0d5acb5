"""`potato describe-study`: from a folder of files to studies/NAME.yaml, in a conversation that shows its evidence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import track

from potato import (
    findings,
    flags,
    lake,
    layouts,
    looks,
    madestudies,
    plans,
    refusals,
    settings,
    studyfile,
    timedays,
    trialread,
    undecided,
    widefiles,
)
from potato.errors import PotatoError
from potato.looks import FileLook
from potato.plans import Answers, Plan, Question
from potato.recognise import Recognised, recognise
from potato.study import Study
from potato.widefiles import Long

Ask = Callable[[Question], str]


def describe(
    root: Path,
    folder: Path,
    name: str,
    answers: Answers,
    console: Console,
    *,
    title: str | None = None,
    force: bool = False,
    ask: Ask | None = None,
    confirm: Callable[[], bool] | None = None,
) -> Path | None:
    """Describe the files of a folder in studies/NAME.yaml and return its path; None when the person declines.

    Parameters
    ----------
    answers : what is stated by flags.
    ask : puts a question and returns the answer; without it an open question is an error that names its flag.
    confirm : asked before the file is written.

    Raises
    ------
    PotatoError
        for a folder that is no study, for what is open and can't be asked, and for a study that exists already.
    """
    path = _target(root, name, force=force)
    files = survey(folder, console)
    long = _made_long(files, folder, name, root, answers, console, ask, force=force)
    plan, answers = _concluded(files, folder, answers, console, ask, long)
    raw = None if long else studyfile.raw_setting(root, folder, name)
    if confirm and not confirm():
        return None
    title = title or folder.resolve().name.replace("_", " ").replace("-", " ").strip() or name
    _write(root, name, path, studyfile.text(plan, title, folder.resolve(), raw), long)
    loaded = settings.load(root, name)
    made = f" and data/raw/{name}/{widefiles.LONG}, a row for each weighing" if long else ""
    console.print(f"\nWrote studies/{name}.yaml{made}.", markup=False)
    console.print(trialread.told(plan, loaded.study), markup=False)
    console.print("\n".join(["", *findings.answerable(plan, loaded.gold.min_subjects)]), markup=False)
    console.print(f"\nNext:\n  dvc exp run -S study={name}", markup=False)
    console.print(f"or write `study: {name}` into params.yaml and type `make run`.", markup=False)
    return path


def prompted(question: Question, console: Console) -> str:
    """Ask at the terminal until the answer is one that can be; a choice's number stands for the choice."""
    while True:
        numbered = [f"{n}: {choice}" for n, choice in enumerate(question.choices, start=1)]
        shown = f" [{', '.join(numbered)}]" if numbered else ""
        shown += f" ({question.default})" if question.default else ""
        answer = console.input(f"{question.text}{shown} ", markup=False).strip() or question.default or ""
        if answer and (not question.choices or answer in question.choices):
            return answer
        if answer.isdecimal() and 1 <= int(answer) <= len(question.choices):
            return question.choices[int(answer) - 1]


def _target(root: Path, name: str, *, force: bool) -> Path:
    if not re.fullmatch(r"[\w-]+", name):
        raise PotatoError(
            "A study's name is made of letters, digits, - and _.",
            where="--study",
            found=repr(name),
            hint=f"try `--study {re.sub(r'[^a-zA-Z0-9_-]+', '-', name).strip('-') or 'mine'}`",
        )
    path = root / "studies" / f"{name}.yaml"
    if path.exists() and not force:
        raise PotatoError(
            f"studies/{name}.yaml exists already.",
            where=f"studies/{name}.yaml",
            hint="add `--force` to write it again, or choose another name with `--study`",
        )
    return path


def _write(root: Path, name: str, path: Path, content: str, long: Long | None) -> None:
    """Write the file only when it loads, and keep an earlier one when it does not."""
    if long:
        Study.model_validate(yaml.safe_load(content))
        madestudies.publish(name, root, content, lambda raw: lake.write_text(raw / widefiles.LONG, long.text))
        return
    earlier = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    try:
        settings.load_study(root, name)
    except PotatoError:
        if earlier is None:
            path.unlink()
        else:
            path.write_bytes(earlier)
        raise


def survey(folder: Path, console: Console) -> list[FileLook]:
    """Look at each file of a folder that may hold separated values.

    Raises
    ------
    PotatoError
        when there is no such folder, or nothing in it to look at.
    """
    if not folder.is_dir():
        raise PotatoError(
            f"There is no folder {folder}.",
            where=str(folder),
            expected="a folder with the study's CSV files",
            found="a file" if folder.exists() else "nothing",
            hint="type the path of the folder: `potato describe-study DIR --study NAME`",
        )
    names = layouts.data_files(folder)
    if not names:
        books = refusals.workbooks(folder)
        raise PotatoError(
            f"{folder} has no CSV file.",
            where=str(folder),
            expected=f"files that end in {', '.join(layouts.ENDINGS)}",
            found=f"workbooks: {', '.join(books[:4])}" if books else "none",
            hint=f"for a trial's workbooks type `potato import-workbooks {folder} --study NAME`; save others as CSV"
            if books
            else "put the files there, or name another folder",
        )
    found = []
    for name in track(names, "looking at the files", console=console, transient=True, disable=len(names) < 20):
        if look := looks.read(folder / name, name):
            found.append(look)
    return found


def _made_long(
    files: list[FileLook],
    folder: Path,
    name: str,
    root: Path,
    answers: Answers,
    console: Console,
    ask: Ask | None,
    *,
    force: bool,
) -> Long | None:
    """Return the folder's one table with a weight column for each time as long rows; None where there is none."""
    flags.refuse_unknown_maps(files, answers)
    wide = widefiles.find(_recognised(files, answers), folder, answers)
    if wide is None:
        if answers.days:
            raise refusals.no_wide(answers.days)
        return None
    madestudies.refuse_overwriting(folder, name, root, [widefiles.LONG], force=force)
    wide = replace(wide, points=timedays.dated(wide.points, wide.look.name, answers, ask))
    console.print(f"{wide.look.name} has one row a person; its weights become one row each:", markup=False)
    for point in wide.points:
        console.print(f"  {point.column}: {point.evidence}", markup=False)
    return widefiles.reshaped(wide, folder)


def _concluded(
    files: list[FileLook], folder: Path, answers: Answers, console: Console, ask: Ask | None, long: Long | None
) -> tuple[Plan, Answers]:
    """Return a plan without open questions, and the answers that made it so."""
    while True:
        found = [long.recognised(answers.maps.get("weight", {}))] if long else _recognised(files, answers)
        plan = plans.make(found, folder, replace(answers, files={}) if long else answers)
        for name in set(layouts.data_files(folder)) - {file.name for file in files} if not long else ():
            plan.unused[name] = "no header line that names its columns"
        plan.unused |= long.unused if long else {}
        if "weight" not in plan.families and not plan.questions:
            raise refusals.no_weight(found, plan, folder)
        if plan.when == "mixed":
            raise refusals.mixed(plan)
        if not plan.questions:
            undecided.settle(plan, answers)
        if not plan.questions or ask is not None:
            findings.show(plan, console)
        if not plan.questions:
            return plan, answers
        if ask is None:
            findings.show(plan, console)
            raise refusals.untold(plan.questions)
        for question in plan.questions:
            answers = _answered(answers, question, ask(question))


def _recognised(files: list[FileLook], answers: Answers) -> list[Recognised]:
    """Recognise each file, then once more with the name of the person's column, where another file has told it."""
    found = [recognise(file, answers.maps) for file in files]
    names = [
        fields["subject_id"].column for item in found for fields in item.families.values() if "subject_id" in fields
    ]
    if not names:
        return found
    who = Counter(names).most_common(1)[0][0]
    return [
        item
        if any("subject_id" in fields for fields in item.families.values())
        else recognise(item.file, answers.maps, who)
        for item in found
    ]


def _answered(answers: Answers, question: Question, answer: str) -> Answers:
    family = question.key.removeprefix("files.")
    if family != question.key:
        return replace(answers, files={**answers.files, family: answer})
    if question.key.startswith("map."):
        _, named, field = question.key.split(".")
        return replace(answers, maps=answers.maps | {named: answers.maps.get(named, {}) | {field: answer}})
    if question.key == "weight_unit":
        return replace(answers, weight_unit=answer)
    if question.key == "date_order":
        return replace(answers, date_order=answer)
    return replace(answers, decimal=answer) if question.key == "decimal" else replace(answers, subject=answer)
