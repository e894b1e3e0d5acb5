"""The stacks in ops/: what can be known of their files without the engine that runs them."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from ops import diagram

from .conftest import HERE

OPS = HERE / "ops"
STACKS = ("compose.yaml", "compose.lineage.yaml")


def _read(name: str) -> Any:
    return yaml.safe_load((OPS / name).read_text())


def _services() -> dict[str, dict[str, Any]]:
    return {name: service for stack in STACKS for name, service in _read(stack)["services"].items()}


def _strings(node: object) -> list[str]:
    """Return every string of a document."""
    if isinstance(node, dict):
        return [text for value in node.values() for text in _strings(value)]
    if isinstance(node, list):
        return [text for value in node for text in _strings(value)]
    return [node] if isinstance(node, str) else []


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        (("--builtin-schema", "vendor.compose-spec"), STACKS),
        (("--schemafile", "ops/schemas/collector.yaml"), ("collector.yaml", "jaeger.yaml")),
        (("--schemafile", "ops/schemas/loki.yaml"), ("loki.yaml",)),
    ],
    ids=["compose", "collector", "loki"],
)
def test_the_files_hold_to_their_schemas_and_an_unknown_key_does_not(
    schema: tuple[str, str], names: tuple[str, ...], tmp_path: Path
) -> None:
    check = [sys.executable, "-m", "check_jsonschema", *schema]
    good = subprocess.run([*check, *(f"ops/{name}" for name in names)], cwd=HERE, capture_output=True, text=True)
    assert good.returncode == 0, good.stdout
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((OPS / names[0]).read_text() + "\nservcie: {}\n")
    bad = subprocess.run([*check, str(wrong)], cwd=HERE, capture_output=True, text=True)
    assert bad.returncode == 1
    assert "servcie" in bad.stdout


@pytest.mark.parametrize("name", ["collector.yaml", "jaeger.yaml"])
def test_each_component_of_a_pipeline_is_defined_and_each_defined_one_is_used(name: str) -> None:
    config = _read(name)
    pipelines = config["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        used = {component for pipeline in pipelines for component in pipeline.get(kind, [])}
        assert used == set(config[kind]), f"{name}: {kind}"
    assert set(config["service"]["extensions"]) == set(config["extensions"])


def test_what_tells_processes_apart_is_gone_before_counters_are_summed_up() -> None:
    """The SDK gives each process a random id, and a stage is a process: no series would ever have a second point."""
    config = _read("collector.yaml")
    processors = config["service"]["pipelines"]["metrics"]["processors"]
    assert processors.index("resource/process") < processors.index("deltatocumulative")
    assert {"key": "service.instance.id", "action": "delete"} in config["processors"]["resource/process"]["attributes"]


def test_no_two_services_want_the_same_port_and_none_is_seen_from_outside() -> None:
    published = [port for service in _services().values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published), published
    ports = [port.split(":")[1] for port in published]
    assert len(ports) == len(set(ports)), sorted(ports)
    assert {"3000", "3001", "4317", "4318", "5000"} <= set(ports)


def test_each_image_has_one_version() -> None:
    for name, service in _services().items():
        assert re.fullmatch(r"[a-z0-9/-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"]), name


def test_each_service_is_asked_for_its_health_by_itself_or_from_beside() -> None:
    services = _services()
    beside = " ".join(services["health"]["healthcheck"]["test"])
    for name, service in services.items():
        assert "healthcheck" in service or f"{name}:" in beside, name


def test_each_file_that_a_container_gets_is_there_and_each_store_is_a_volume() -> None:
    for stack in STACKS:
        document = _read(stack)
        kept = set()
        for name, service in document["services"].items():
            for mount in service.get("volumes", []):
                source, _, rest = mount.partition(":")
                if source.startswith("./"):
                    assert (OPS / source).exists(), f"{name}: {mount}"
                    assert rest.endswith(":ro"), f"{name}: {mount}"
                else:
                    kept.add(source)
        assert kept == set(document["volumes"])


def test_no_password_stands_in_a_file_of_the_repository() -> None:
    for stack in STACKS:
        document = _read(stack)
        assert all(secret["file"].startswith("./secrets/") for secret in document.get("secrets", {}).values())
        for name, service in document["services"].items():
            for variable in service.get("environment", {}):
                assert "PASSWORD" not in variable or variable.endswith("_FILE"), f"{name}: {variable}"
    ignored = subprocess.run(["git", "check-ignore", "-q", "ops/secrets/x"], cwd=HERE, check=False)
    assert ignored.returncode == 0 or not (HERE / ".git").exists()


def test_each_address_names_a_service_of_the_stack_and_a_port_where_it_listens() -> None:
    """A service is called by its name; where it listens stands in its own file, or is its image's default."""
    listens = {"prometheus": {"9090"}, "alertmanager": {"9093"}, "grafana": {"3000"}}
    for name in ("collector", "loki", "jaeger"):
        text = (OPS / f"{name}.yaml").read_text()
        listens[name] = set(re.findall(r"(?:0\.0\.0\.0:|port: )(\d+)", text))
    files = ["collector.yaml", "prometheus/prometheus.yaml", "grafana/provisioning/datasources/datasources.yaml"]
    addresses = [text for name in files for text in _strings(_read(name))]
    asked = re.findall(r"(\w+):(\d+)(?=/|$|\s)", "\n".join(addresses), re.MULTILINE)
    inside = [(host, port) for host, port in asked if host != "localhost" and not host.isdigit()]
    assert {host for host, _ in inside} == {"collector", "loki", "jaeger", "prometheus", "alertmanager"}
    for host, port in inside:
        assert port in listens[host], f"{host}:{port}"
    published = {name: {p.split(":")[2] for p in service.get("ports", [])} for name, service in _services().items()}
    for name, ports in listens.items():
        assert published[name] <= ports | {"4317", "4318"}, name


def test_grafana_s_links_lead_to_stores_that_there_are() -> None:
    sources = {
        source["uid"]: source for source in _read("grafana/provisioning/datasources/datasources.yaml")["datasources"]
    }
    (to_trace,) = sources["loki"]["jsonData"]["derivedFields"]
    assert to_trace["datasourceUid"] in sources
    assert to_trace["matcherRegex"] == "trace_id"
    (to_trace,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert to_trace["datasourceUid"] in sources
    assert _read("collector.yaml")["exporters"]["prometheus"]["enable_open_metrics"] is True
    assert "--enable-feature=exemplar-storage" in _services()["prometheus"]["command"]
    for link in ("tracesToLogsV2", "tracesToMetrics"):
        assert sources["jaeger"]["jsonData"][link]["datasourceUid"] in sources


def test_the_files_for_keys_are_made_empty_and_a_key_in_one_stays(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def make() -> dict[str, str]:
        subprocess.run(["sh", OPS / "secrets.sh", folder], check=True)
        return {path.name: path.read_text() for path in folder.iterdir()}

    wanted = {Path(secret["file"]).name for stack in STACKS for secret in _read(stack).get("secrets", {}).values()}
    assert make() == dict.fromkeys(wanted, "")
    (folder / "smtp_password").write_text("mine")
    assert make()["smtp_password"] == "mine"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_database_s_password_is_random_and_lives_as_long_as_its_data(tmp_path: Path) -> None:
    services = _read("compose.lineage.yaml")["services"]
    database, marquez = services["database"], services["marquez"]
    (tmp_path / "docker-entrypoint.sh").write_text('#!/bin/sh\necho "$1 $(cat "$POSTGRES_PASSWORD_FILE")"\n')
    (tmp_path / "docker-entrypoint.sh").chmod(0o755)

    def start(volume: Path) -> str:
        volume.mkdir(exist_ok=True)
        environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        environment["POSTGRES_PASSWORD_FILE"] = str(volume / "password")
        command = [*database["entrypoint"], *(part.replace("$$", "$") for part in database["command"])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert [path.name for path in volume.iterdir()] == ["password"]
        return done.stdout

    assert start(tmp_path / "one") == start(tmp_path / "one") != start(tmp_path / "other")
    assert re.fullmatch(r"postgres [0-9a-f]{48}\n", start(tmp_path / "one"))
    place = database["environment"]["POSTGRES_PASSWORD_FILE"].rpartition("/")[0]
    (volume,) = (mount.partition(":")[0] for mount in database["volumes"] if mount.endswith(f":{place}"))
    assert database["environment"]["PGDATA"].startswith(f"{place}/")
    (mount,) = marquez["volumes"]
    assert mount == f"{volume}:/database:ro"
    assert "/database/password" in marquez["command"][0]


def test_who_looks_at_grafana_may_follow_its_links_and_there_is_nobody_to_log_in_as() -> None:
    environment = _services()["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Editor", "the links lead to Explore"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert not any("PASSWORD" in variable for variable in environment)


@pytest.mark.parametrize("target", ["obs.up", "obs.down", "lineage.up", "lineage.down"])
def test_where_docker_is_missing_make_says_so_in_two_lines(target: str, tmp_path: Path) -> None:
    for program in ("sh", "dirname", "make"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    done = subprocess.run(
        ["make", "--silent", target, "CURDIR=/nowhere"],
        cwd=HERE,
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "There is no docker here" in done.stderr
    assert "runs/latest/" in done.stderr


def test_the_system_diagram_was_drawn_from_its_text_and_is_small() -> None:
    assert diagram.is_in_step(diagram.SOURCE, diagram.PICTURE)
    assert diagram.PICTURE.stat().st_size < 1_000_000


def test_the_system_diagram_names_each_service_of_the_stacks() -> None:
    text = diagram.SOURCE.read_text().lower()
    names = {"database": "postgresql", "web": "marquez' page", "health": "collector"}
    for name in _services():
        assert names.get(name, name) in text, name


@pytest.mark.skipif(
    diagram.browser() is None or not diagram.MERMAID.exists(),
    reason="Mermaid's command line or Chromium is not installed: apt-get install chromium, then make mermaid",
)
def test_mermaid_draws_the_system_diagram_again(tmp_path: Path) -> None:
    diagram.draw(diagram.SOURCE, tmp_path / "again.png")
    assert diagram.is_in_step(diagram.SOURCE, tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as again, Image.open(diagram.PICTURE) as committed:
        # Other fonts make other widths; the same boxes and arrows make about the same picture.
        assert again.width == pytest.approx(committed.width, rel=0.25)
        assert again.height == pytest.approx(committed.height, rel=0.25)
    wrong = tmp_path / "wrong.mmd"
    wrong.write_text("flowchart TB\n  a --> ")
    with pytest.raises(SystemExit, match="could not draw"):
        diagram.draw(wrong, tmp_path / "wrong.png")
