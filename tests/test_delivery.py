"""Workflows, as GitHub reads them, and the scripts that they call."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml

from potato import settings
from tests.conftest import HERE

WORKFLOWS = sorted((HERE / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((HERE / ".github" / "actions").glob("*/action.yml"))
COMMENT = HERE / ".github" / "actions" / "comment" / "comment.py"
BIN = Path(sys.executable).parent

# What may be asked of GitHub, and by which job: whoever may write does nothing else.
WRITERS = {
    ("ci", "codeql"): {"security-events"},
    ("container", "publish"): {"packages"},
    ("infra", "plan"): {"id-token"},
    ("infra", "comment"): {"pull-requests"},
    ("infra", "apply"): {"id-token"},
    ("publish", "keep"): {"id-token"},
    ("publish", "deploy"): {"pages", "id-token"},
    ("publish", "comment"): {"pull-requests"},
}


def read(path: Path) -> dict[str, Any]:
    content: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in content.items()}  # YAML 1.1 takes `on` for true


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield path.stem, name, job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for workflow, name, job in jobs():
        yield from ((f"{workflow}, {name}", step) for step in job["steps"])
    for path in ACTIONS:
        yield from ((f"action {path.parent.name}", step) for step in read(path)["runs"]["steps"])


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path} | environment, capture_output=True, text=True, check=False
    )


def test_the_workflows_are_those_that_the_project_has_a_use_for() -> None:
    assert {path.stem for path in WORKFLOWS} == {"ci", "container", "data-quality", "infra", "nightly", "publish"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_grants_nothing_by_itself_and_gives_each_job_rights_and_a_time_limit(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"].startswith(path.stem)
    assert workflow["defaults"]["run"]["shell"] == "bash"
    for name, job in workflow["jobs"].items():
        assert isinstance(job["permissions"], dict), name
        assert 0 < job["timeout-minutes"] <= 60, name
        assert not job["runs-on"].endswith("latest"), name


def test_only_the_jobs_that_are_known_to_write_may_write() -> None:
    writing = {
        (workflow, name): {scope for scope, right in job["permissions"].items() if right == "write"}
        for workflow, name, job in jobs()
    }
    assert {job: scopes for job, scopes in writing.items() if scopes} == WRITERS


@pytest.mark.parametrize("workflow", ["infra", "publish"])
def test_the_job_that_may_comment_runs_nothing_of_the_pull_request(workflow: str) -> None:
    (job,) = [job for where, name, job in jobs() if (where, name) == (workflow, "comment")]
    assert not any("run" in step or step["uses"].startswith("actions/checkout") for step in job["steps"])


def test_actions_of_others_are_pinned_by_commit_with_their_version_and_each_by_one_commit() -> None:
    text = "\n".join(path.read_text() for path in (*WORKFLOWS, *ACTIONS))
    used = re.findall(r"uses: (\S+)(.*)", text)
    pins: dict[str, set[str]] = {}
    for name, comment in used:
        if name.startswith("$/"):
            assert (HERE / name.removeprefix("$/") / "action.yml").is_file(), name
            continue
        assert re.fullmatch(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}", name), name
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), name
        action, commit = name.split("@")
        pins.setdefault("/".join(action.split("/")[:2]), set()).add(f"{commit}{comment}")
    assert len(pins) > 5
    assert all(len(commits) == 1 for commits in pins.values()), pins


def test_no_workflow_knows_a_long_lived_key() -> None:
    text = "\n".join(path.read_text() for path in (*WORKFLOWS, *ACTIONS))
    named = set(re.findall(r"secrets\.(\w+)", text))
    assert named == {"AWS_PLAN_ROLE_ARN", "AWS_APPLY_ROLE_ARN", "AWS_ROLE_ARN"}
    assert not re.search(r"access-key|ACCESS_KEY|secrets: inherit", text)
    for where, step in steps():
        if step.get("uses", "").startswith("aws-actions/"):
            assert step["with"].keys() == {"role-to-assume", "aws-region"}, where


def test_apply_needs_main_and_the_protected_environment_and_a_fork_gets_no_token_of_aws() -> None:
    found = {name: job for workflow, name, job in jobs() if workflow == "infra"}
    assert found["apply"]["environment"] == "production"
    assert "github.ref == 'refs/heads/main'" in found["apply"]["if"]
    assert "head.repo.full_name == github.repository" in found["plan"]["if"]
    assert "environment" not in found["plan"]


def test_data_go_to_aws_from_main_alone_and_only_where_a_lake_is_set() -> None:
    (keep,) = (job for workflow, name, job in jobs() if (workflow, name) == ("publish", "keep"))
    asked = keep["if"].split(" && ")
    assert "github.ref == 'refs/heads/main'" in asked
    assert "github.event_name != 'pull_request'" in asked
    assert "vars.LAKE_BUCKET != ''" in asked


def test_a_plan_that_fails_is_not_hidden_by_what_writes_it_down() -> None:
    piped = [(where, step) for where, step in steps() if "|" in step.get("run", "")]
    assert piped
    assert all(step.get("shell", "bash") == "bash" for _, step in piped)  # the workflows' own shell has pipefail, too


def test_workflows_call_make_targets_that_there_are() -> None:
    called = {
        word
        for _, step in steps()
        for line in re.findall(r"make ((?:--silent )?[a-z][a-z. ]*)", step.get("run", ""))
        for word in line.split()
        if not word.startswith("--")
    }
    assert {"check", "test", "audit", "contracts", "metrics", "reproduce", "infra.plan"} <= called
    there = set(re.findall(r"^([a-z.]+):", (HERE / "Makefile").read_text(), re.MULTILINE))
    assert called - there == set()


def test_what_has_to_be_set_is_told_and_so_is_each_workflow() -> None:
    told = (HERE / "docs" / "delivery.md").read_text()
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    environments = {
        job["environment"] if isinstance(job["environment"], str) else job["environment"]["name"]
        for _, _, job in jobs()
        if "environment" in job
    }
    read_by_workflows = set(re.findall(r"(?:secrets|vars)\.(\w+)", text)) | environments
    assert {"AWS_REGION", "production"} <= read_by_workflows
    for name in read_by_workflows | {path.stem for path in WORKFLOWS}:
        assert f"`{name}`" in told, name


def test_no_checkout_leaves_a_token_behind() -> None:
    checkouts = [(where, step) for where, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) > 5
    assert all(step["with"]["persist-credentials"] is False for _, step in checkouts)


def test_what_is_published_is_built_without_what_earlier_runs_left() -> None:
    (render,) = [job for workflow, name, job in jobs() if (workflow, name) == ("publish", "render")]
    (setup,) = [step for step in render["steps"] if step.get("uses") == "$/.github/actions/setup"]
    assert setup["with"] == {"quarto": "true", "cache": "false"}


def test_data_quality_runs_on_a_schedule_and_on_each_change_of_a_study() -> None:
    events = read(HERE / ".github" / "workflows" / "data-quality.yml")["on"]
    assert events["schedule"]
    assert events["push"] == {"branches": ["main"], "paths": ["studies/**"]}
    assert events["pull_request"] == {"paths": ["studies/**"]}


@pytest.mark.parametrize("name", settings.study_names(HERE))
def test_each_description_of_a_study_can_be_read(name: str) -> None:
    assert settings.load_study(HERE, name).title


@pytest.mark.parametrize(
    ("program", "broken"),
    [
        (["actionlint"], ("make check", "make ${{ inputs.nothing }}")),
        (["zizmor", "--offline", "--quiet", ".github"], ("persist-credentials: false", "fetch-depth: 1")),
        (["zizmor", "--offline", "--quiet", ".github"], ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7")),
    ],
)
def test_the_workflows_pass_the_linters_and_a_broken_one_does_not(
    tmp_path: Path, program: list[str], broken: tuple[str, str]
) -> None:
    shutil.copytree(HERE / ".github", tmp_path / ".github")
    run(["git", "init", "--quiet"], tmp_path)
    passed = run(program, tmp_path)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    workflow = tmp_path / ".github" / "workflows" / "ci.yml"
    assert broken[0] in workflow.read_text()
    workflow.write_text(workflow.read_text().replace(*broken, 1))
    assert run(program, tmp_path).returncode != 0


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of one stage, whose metric is the number in `number`, run and committed once, with our scripts."""
    folder = tmp_path_factory.mktemp("committed") / "origin"
    shutil.copytree(HERE / ".ci", folder / ".ci")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n    autostage = false\n")
    (folder / ".dvc" / ".gitignore").write_text("/cache\n/tmp\n")
    (folder / ".gitignore").write_text("/metrics.json\n")
    (folder / "number").write_text("1")
    (folder / "stage.py").write_text(
        "import json, pathlib\n"
        "pathlib.Path('metrics.json').write_text(json.dumps({'gain': float(open('number').read()), 'same': 2}))\n"
    )
    (folder / "dvc.yaml").write_text(
        "stages:\n  one:\n    cmd: python stage.py\n    deps: [number, stage.py]\n    outs: [metrics.json]\n"
        "metrics: [metrics.json]\n"
    )
    run(["git", "init", "--quiet"], folder)
    repro(folder)
    save(folder)
    return folder


@pytest.fixture
def commits(committed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(committed, tmp_path / "origin"))


def repro(folder: Path) -> None:
    done = run(["dvc", "repro", "--quiet"], folder)
    assert done.returncode == 0, done.stderr


def save(folder: Path) -> None:
    run(["git", "add", "--all"], folder)
    done = run(["git", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "--quiet", "-m", "x"], folder)
    assert done.returncode == 0, done.stderr


def metrics(folder: Path, base: str = "HEAD") -> str:
    done = run(["sh", ".ci/metrics", base], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_metrics_that_differ_are_told_with_both_values_and_the_others_are_not(commits: Path) -> None:
    assert "None has changed." in metrics(commits)
    (commits / "number").write_text("1.25")
    repro(commits)
    told = metrics(commits)
    assert re.search(r"\| gain +\| 1.0 +\| 1.25 +\| 0.25 +\|", told)
    assert "same" not in told


def test_results_that_are_not_there_are_not_taken_for_new_metrics(commits: Path) -> None:
    shutil.rmtree(commits / ".dvc" / "cache")
    told = metrics(commits)
    assert "can't be compared" in told
    assert "|" not in told


def test_a_fresh_clone_that_makes_the_same_bytes_is_a_reproduction(commits: Path, tmp_path: Path) -> None:
    done = run(["sh", ".ci/reproduce", str(tmp_path / "clone")], commits, RUN="dvc repro --quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every byte" in done.stdout
    assert json.loads((tmp_path / "clone" / "metrics.json").read_text()) == {"gain": 1.0, "same": 2}


def test_a_fresh_clone_that_makes_other_bytes_fails_and_names_what_differs(commits: Path) -> None:
    with (commits / "stage.py").open("a") as stage:
        stage.write("import uuid\nopen('metrics.json', 'a').write(str(uuid.uuid4()))\n")
    repro(commits)
    save(commits)
    done = run(["sh", ".ci/reproduce"], commits, RUN="dvc repro --quiet")
    assert done.returncode == 1
    assert "path: metrics.json" in done.stderr
    assert "every byte" not in done.stdout


class Comments(http.server.BaseHTTPRequestHandler):
    """As much of GitHub's comments as is asked for: pages of them, a new one, a changed one."""

    kept: list[dict[str, Any]]
    calls: list[str]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, content: Any) -> None:
        self.calls.append(f"{self.command} {urlparse(self.path).path}")
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> str:
        assert self.headers["Authorization"] == "Bearer the-token"
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def do_GET(self) -> None:
        query = {name: int(value) for name, (value,) in parse_qs(urlparse(self.path).query).items()}
        start = (query["page"] - 1) * query["per_page"]
        self.answer(self.kept[start : start + query["per_page"]])

    def do_POST(self) -> None:
        made = {"id": len(self.kept) + 1, "user": {"login": "github-actions[bot]"}, "body": self.body()}
        self.kept.append(made)
        self.answer(made)

    def do_PATCH(self) -> None:
        (comment,) = [comment for comment in self.kept if self.path.endswith(f"/comments/{comment['id']}")]
        comment["body"] = self.body()
        self.answer(comment)


@pytest.fixture
def github() -> Iterator[tuple[str, type[Comments]]]:
    handler = type("Handler", (Comments,), {"kept": [], "calls": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def comment(address: str, topic: str, text: str, folder: Path) -> None:
    file = folder / "comment.md"
    file.write_text(text, encoding="utf-8")
    done = run(
        [sys.executable, str(COMMENT), topic, str(file)],
        folder,
        GITHUB_API_URL=address,
        GITHUB_REPOSITORY="someone/potatoes",
        GITHUB_TOKEN="the-token",
        PULL_REQUEST="7",
    )
    assert done.returncode == 0, done.stderr


def test_a_topic_has_one_comment_which_each_run_writes_anew(github: tuple[str, type[Comments]], tmp_path: Path) -> None:
    address, server = github
    for topic, text in [("metrics", "first"), ("plan", "a plan"), ("metrics", "second")]:
        comment(address, topic, text, tmp_path)
    assert [kept["body"] for kept in server.kept] == ["<!-- metrics -->\nsecond", "<!-- plan -->\na plan"]
    assert "POST /repos/someone/potatoes/issues/7/comments" in server.calls


def test_a_comment_on_a_later_page_is_found_and_one_of_a_person_is_left_alone(
    github: tuple[str, type[Comments]], tmp_path: Path
) -> None:
    address, server = github
    server.kept += [
        {"id": number, "user": {"login": "ann"}, "body": "<!-- plan -->\nquoted"} for number in range(1, 101)
    ]
    server.kept.append({"id": 101, "user": {"login": "github-actions[bot]"}, "body": "<!-- plan -->\nold"})
    comment(address, "plan", "new", tmp_path)
    assert server.kept[100]["body"] == "<!-- plan -->\nnew"
    assert {kept["body"] for kept in server.kept[:100]} == {"<!-- plan -->\nquoted"}


def test_a_text_that_no_comment_can_hold_is_cut_and_says_so(github: tuple[str, type[Comments]], tmp_path: Path) -> None:
    address, server = github
    comment(address, "plan", "ä" * 70_000, tmp_path)
    (kept,) = server.kept
    assert len(kept["body"]) < 65_536
    assert kept["body"].endswith("a comment can't hold it.\n")
