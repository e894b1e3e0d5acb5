"""The image, as its Dockerfile says it, what a container does first, and what a cluster is told."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from benchmarks import overhead
from tests.conftest import HERE, without_spark

DOCKERFILE = HERE / "infra" / "Dockerfile"
CONTAINER = HERE / "infra" / "container"
MANIFESTS = HERE / "infra" / "kubernetes"
KUSTOMIZATIONS = sorted(MANIFESTS.rglob("kustomization.yaml"))
KUBERNETES = "1.34"
SCHEMA = json.loads((Path(__file__).parent / "spark_application.schema.json").read_text())
BIN = Path(sys.executable).parent


def stages() -> dict[str, list[str]]:
    """Return the Dockerfile's instructions by stage; what a line continues is one with it."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    name = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("FROM "):
            name = line.split(" AS ")[1]
        found.setdefault(name, []).append(line)
    return found


def lineage(stage: str) -> list[str]:
    """Return the instructions of a stage after those of the stages that it is built on."""
    lines = stages()[stage]
    base = lines[0].split()[1]
    return (lineage(base) if base in stages() else []) + lines


def copied(stage: str) -> set[str]:
    """Return what the stages take from the project."""
    lines = [line.split()[1:-1] for line in lineage(stage) if line.startswith("COPY ") and "--from=" not in line]
    return {source for sources in lines for source in sources}


def environment(stage: str) -> dict[str, str]:
    lines = [line.removeprefix("ENV ").split() for line in lineage(stage) if line.startswith("ENV ")]
    return dict(pair.split("=", 1) for line in lines for pair in line)


def admitted(path: str) -> bool:
    """Tell whether .dockerignore, whose last matching line decides, lets a path into the build."""
    verdict = True
    for line in (HERE / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line.startswith("#") or not line:
            continue
        expression = re.escape(pattern).replace(r"\*", "[^/]*")
        if re.fullmatch(f"{expression}(/.*)?", path):
            verdict = line.startswith("!")
    return verdict


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=HERE, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("only a git checkout knows which files are the project's")
    return listed.stdout.splitlines()


def test_the_dockerfile_passes_hadolint_and_one_that_follows_latest_does_not(tmp_path: Path) -> None:
    def lint(file: Path) -> int:
        return subprocess.run([BIN / "hadolint", file], capture_output=True, check=False).returncode

    assert lint(DOCKERFILE) == 0
    worse = tmp_path / "Dockerfile"
    worse.write_text(re.sub(r"FROM python:\S+", "FROM python", DOCKERFILE.read_text()))
    assert lint(worse) != 0


def test_every_stage_stands_on_one_base_which_is_pinned_by_digest() -> None:
    (base,) = {lines[0].split()[1] for lines in stages().values()} - stages().keys()
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)


@pytest.mark.parametrize("stage", ["pipeline", "spark"])
def test_the_image_runs_as_a_user_without_rights_and_has_no_build_tools(stage: str) -> None:
    lines = lineage(stage)
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001:10001"
    installed = " ".join(line for line in lines if line.startswith("RUN "))
    assert not re.search(r"gcc|build-essential|\bgit\b|\bmake\b|pip install|\buv\b|curl|wget", installed)
    assert "pip uninstall" in installed
    taken = {line.split()[2] for line in lines if "--from=" in line}
    assert taken == {"/opt/venv", "/opt/potato"}


def test_packages_come_from_the_locks_only_and_with_their_hashes() -> None:
    installs = re.findall(r"pip install [^&]*", " && ".join(line for lines in stages().values() for line in lines))
    assert len(installs) == 6
    own = [line for line in installs if "--editable ." in line]
    assert len(own) == 1
    assert "--no-deps" in own[0]
    for line in set(installs) - set(own):
        assert "--require-hashes" in line
        (lock,) = re.findall(r"--requirement (?:/build/)?(\S+)", line)
        assert (HERE / "requirements" / lock).is_file()


@pytest.mark.parametrize("stage", ["pipeline", "spark"])
def test_the_image_gets_all_that_a_run_needs(stage: str) -> None:
    origin = "locked-spark" if stage == "spark" else "locked"
    assert set(overhead.NEEDED) <= copied(stage) | copied(origin)


@pytest.mark.parametrize("stage", ["locked", "locked-spark"])
def test_the_image_has_what_talks_to_aws(stage: str) -> None:
    assert any("--requirement aws.lock" in line for line in lineage(stage) if line.startswith("RUN "))


def test_the_builder_is_sent_what_is_copied_and_nothing_that_is_not_of_the_project() -> None:
    sources = copied("pipeline") | copied("locked-spark")
    for source in sources:
        path = HERE / source
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        kept = [file for file in files if file.relative_to(HERE).as_posix() in tracked()]
        assert kept, source
        for file in kept:
            assert admitted(file.relative_to(HERE).as_posix()), file
    for secret in (".git/config", ".env", "data/raw/demo/weight/a.csv", "runs/x", ".dvc/config.local", ".dvc/cache/a"):
        assert not admitted(secret), secret
    for needless in ("tests/test_container.py", "potato/__pycache__/x.pyc", "reports/.quarto/x", "mlflow.db"):
        assert not admitted(needless), needless


LACKING = without_spark()
needs_spark = pytest.mark.skipif(bool(LACKING), reason=LACKING)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What the image has in /opt/potato."""
    overhead.copy(tmp_path / "image")
    (tmp_path / "image" / ".dvc" / "config.local").unlink()
    shutil.copyfile(HERE / "dvc.lock", tmp_path / "image" / "dvc.lock")
    return tmp_path / "image"


def start(image: Path, *command: str, script: str = "workspace.sh", **more: str) -> subprocess.CompletedProcess[str]:
    """Start a container's script in the workspace beside the image, with an environment as bare as the image's."""
    work = image.parent / "work"
    work.mkdir(exist_ok=True)
    bare = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(image.parent),
        "POTATO_IMAGE": str(image),
        "POTATO_STUDIES": str(image.parent / "studies"),
        "POTATO_ROOT": str(work),
        "DVC_SITE_CACHE_DIR": str(image.parent / "dvc"),
    }
    return subprocess.run(
        ["sh", CONTAINER / script, *command],
        cwd=image.parent,
        env=bare | more,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_container_lays_the_project_into_an_empty_workspace_and_runs_there(image: Path) -> None:
    done = start(image, "sh", "-c", "pwd; dvc status --quiet simulate || dvc dag --md")
    assert done.returncode == 0, done.stderr
    work = image.parent / "work"
    assert done.stdout.splitlines()[0] == str(work)
    assert "simulate" in done.stdout  # the pipeline can be read there, without git
    for name in overhead.NEEDED:
        assert (work / name).exists(), name


def test_a_second_run_keeps_results_and_their_lock_and_takes_the_code_of_a_new_image(image: Path) -> None:
    assert start(image, "true").returncode == 0
    work = image.parent / "work"
    for path in ("data/gold/x", "runs/x", "potato/gone.py", "studies/mine.yaml"):
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text("kept")
    (work / "dvc.lock").write_text("what an earlier run made")
    (image / "potato" / "cli.py").write_text("new")
    assert start(image, "true").returncode == 0
    assert (work / "dvc.lock").read_text() == "what an earlier run made"
    assert (work / "potato" / "cli.py").read_text() == "new"
    assert not (work / "potato" / "gone.py").exists()
    for path in ("data/gold/x", "runs/x", "studies/mine.yaml"):
        assert (work / path).read_text() == "kept"


def test_a_cluster_changes_parameters_and_adds_studies_without_a_new_image(image: Path) -> None:
    (image.parent / "studies").mkdir()
    (image.parent / "studies" / "ours.yaml").write_text("title: Ours\n")
    done = start(image, "true", POTATO_SET="study=ours gold.confidence=0.9")
    assert done.returncode == 0, done.stderr
    work = image.parent / "work"
    changed = yaml.safe_load((work / "params.yaml").read_text())
    original = yaml.safe_load((image / "params.yaml").read_text())
    original["study"], original["gold"]["confidence"] = "ours", 0.9
    assert changed == original
    assert (work / "studies" / "ours.yaml").is_file()


def test_a_parameter_that_there_is_not_stops_the_container_before_its_command(image: Path) -> None:
    done = start(image, "echo", "it ran", POTATO_SET="gold.confidenc=0.9")
    assert done.returncode != 0
    assert "POTATO_SET is not understood" in done.stderr
    assert "confidenc" in done.stderr
    assert "Traceback" not in done.stderr
    assert "it ran" not in done.stdout


@needs_spark
def test_a_process_below_sparks_driver_starts_a_session_as_the_cluster_told_the_driver(image: Path) -> None:
    (image.parent / "kernel.py").write_text(
        "from pyspark.sql import SparkSession\n"
        "session = SparkSession.builder.getOrCreate()\n"
        "print('told', session.conf.get('spark.potato'), session.sparkContext.master)\n"
    )
    (image.parent / "properties").write_text("spark.master local[1]\nspark.potato sweet\nspark.ui.enabled false\n")
    done = start(
        image,
        *("driver", "--properties-file", str(image.parent / "properties")),
        *("--class", "org.apache.spark.deploy.PythonRunner", f"local://{CONTAINER}/driver.py"),
        *("python", str(image.parent / "kernel.py")),
        script="spark.sh",
        SPARK_DRIVER_BIND_ADDRESS="127.0.0.1",
        SPARK_LOCAL_IP="127.0.0.1",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "told sweet local[1]" in done.stdout


@needs_spark
def test_an_executor_takes_what_spark_hands_it_and_looks_for_its_driver(image: Path) -> None:
    done = start(
        image,
        "executor",
        script="spark.sh",
        SPARK_JAVA_OPT_0="-showversion",
        SPARK_JAVA_OPT_1="-Dspark.rpc.io.maxRetries=0",
        SPARK_DRIVER_URL="spark://CoarseGrainedScheduler@127.0.0.1:1",
        SPARK_EXECUTOR_MEMORY="256m",
        SPARK_EXECUTOR_CORES="1",
        SPARK_EXECUTOR_ID="1",
        SPARK_EXECUTOR_POD_IP="127.0.0.1",
        SPARK_EXECUTOR_POD_NAME="pod",
        SPARK_APPLICATION_ID="app",
        SPARK_RESOURCE_PROFILE_ID="0",
    )
    assert done.returncode != 0
    assert 'version "' in done.stderr
    assert "Failed to connect to /127.0.0.1:1" in done.stderr
    assert "Unrecognized options" not in done.stderr


def objects(kind: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(MANIFESTS.rglob("*.yaml")):
        for content in yaml.safe_load_all(path.read_text()):
            if "kind" in content and content["kind"] != "Kustomization" and kind in (None, content["kind"]):
                yield path.relative_to(MANIFESTS).as_posix(), content


def only(kind: str) -> dict[str, Any]:
    ((_, found),) = objects(kind)
    return found


def pods() -> list[tuple[str, dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
    """Return for each pod: its name, its security context, its container's, and its container's mounts."""
    pod = only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    spark = only("SparkApplication")["spec"]
    return [
        ("pipeline", pod["securityContext"], container["securityContext"], container["volumeMounts"]),
        *(
            (name, spark[name]["podSecurityContext"], spark[name]["securityContext"], spark[name]["volumeMounts"])
            for name in ("driver", "executor")
        ),
    ]


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_names_exactly_the_files_beside_it(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    listed = [*content["resources"], *content.get("configurations", [])]
    folders = [name for name in listed if not name.endswith(".yaml")]
    assert all((path.parent / folder / "kustomization.yaml").is_file() for folder in folders)
    beside = {file.name for file in path.parent.iterdir()} - {path.name, "overlays"}
    assert set(listed) - set(folders) == beside
    assert len(set(listed)) == len(listed)


def test_every_folder_of_manifests_has_a_kustomization() -> None:
    assert {path.parent for path in MANIFESTS.rglob("*.yaml")} == {path.parent for path in KUSTOMIZATIONS}


@pytest.mark.parametrize(("where", "content"), [pytest.param(*found, id=f"{found[1]['kind']}") for found in objects()])
def test_a_manifest_is_what_kubernetes_takes(where: str, content: dict[str, Any]) -> None:
    wrong = copy.deepcopy(content)
    wrong["spek"] = {}
    if content["kind"] == "SparkApplication":
        jsonschema.validate(content, SCHEMA)
        with pytest.raises(jsonschema.ValidationError, match="spek"):
            jsonschema.validate(wrong, SCHEMA)
        return
    kubernetes_validate.validate(content, KUBERNETES, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError, match="spek"):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_each_pod_gives_up_every_right_that_a_run_does_not_need() -> None:
    for name, pod, container, _ in pods():
        assert pod["runAsNonRoot"] is True, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["allowPrivilegeEscalation"] is False, name
        assert container["readOnlyRootFilesystem"] is True, name
        assert container["capabilities"] == {"drop": ["ALL"]}, name


def test_pods_run_as_the_images_user_and_may_write_where_the_image_writes() -> None:
    image = environment("pipeline")
    for name, pod, _, mounts in pods():
        assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" == "USER 10001:10001", name
        assert pod["fsGroup"] == 10001, name
        writable = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
        assert {image["POTATO_ROOT"], image["HOME"]} <= writable, name


def test_what_pods_mount_is_among_their_volumes() -> None:
    pod = only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    spark = only("SparkApplication")["spec"]
    claim = only("PersistentVolumeClaim")["metadata"]["name"]
    for volumes, mounts in (
        (pod["volumes"], pod["containers"][0]["volumeMounts"]),
        (spark["volumes"], spark["driver"]["volumeMounts"]),
        (spark["volumes"], spark["executor"]["volumeMounts"]),
    ):
        assert {mount["name"] for mount in mounts} == {volume["name"] for volume in volumes}
        claims = [v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v]
        assert claims == [claim]


def test_the_pipelines_container_has_requests_and_limits() -> None:
    pod = only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    resources = pod["containers"][0]["resources"]
    for bound in ("requests", "limits"):
        assert resources[bound].keys() == {"cpu", "memory", "ephemeral-storage"}, bound


def test_accounts_that_pods_name_are_there_and_only_the_driver_gets_a_token() -> None:
    accounts = {found["metadata"]["name"]: found for _, found in objects("ServiceAccount")}
    spark = only("SparkApplication")["spec"]
    pod = only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert {pod["serviceAccountName"], spark["executor"]["serviceAccount"]} == {"potato"}
    assert {name for name, account in accounts.items() if account["automountServiceAccountToken"]} == {
        spark["driver"]["serviceAccount"]
    }


def test_the_images_that_manifests_name_are_those_that_kustomize_fills_in() -> None:
    pod = only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    named = {pod["containers"][0]["image"], only("SparkApplication")["spec"]["image"]}
    filled = {image["name"] for path in KUSTOMIZATIONS for image in yaml.safe_load(path.read_text())["images"]}
    assert named == filled


def test_sparks_version_is_the_one_in_the_lock() -> None:
    (locked,) = re.findall(r"^pyspark==(\S+)", (HERE / "requirements" / "spark.lock").read_text(), re.MULTILINE)
    assert only("SparkApplication")["spec"]["sparkVersion"] == locked


def test_what_the_spark_image_is_started_with_is_in_it() -> None:
    main = only("SparkApplication")["spec"]["mainApplicationFile"]
    assert main.startswith("local:///opt/container/")
    assert (CONTAINER / Path(main).name).is_file()
    entries = [line for name in ("spark", "pipeline") for line in lineage(name) if line.startswith("ENTRYPOINT")]
    for line in entries:
        assert (CONTAINER / Path(json.loads(line.removeprefix("ENTRYPOINT "))[1]).name).is_file()


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_the_parameters_that_a_cluster_sets_are_understood(path: Path, image: Path) -> None:
    (generated,) = yaml.safe_load(path.read_text())["configMapGenerator"]
    changes = dict(literal.split("=", 1) for literal in generated["literals"])["POTATO_SET"]
    done = start(image, "true", POTATO_SET=changes)
    assert done.returncode == 0, done.stderr
    told = yaml.safe_load((image.parent / "work" / "params.yaml").read_text())
    assert (HERE / "studies" / f"{told['study']}.yaml").is_file()
    if "spark" in path.parts:
        assert told["engine"] == "spark"
        assert told["spark"]["master"] == "k8s://https://kubernetes.default.svc"
    else:
        assert told == yaml.safe_load((image / "params.yaml").read_text())
