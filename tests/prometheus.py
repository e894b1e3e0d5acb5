"""A real Prometheus on the loopback interface, filled from what runs of the pipeline recorded."""

from __future__ import annotations

import base64
import json
import math
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import yaml

from potato import measures

from .conftest import HERE

PROGRAM = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager")
WITHOUT = "Debian's package prometheus is not installed: apt-get install prometheus"


def exposition(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return lines of metrics.jsonl, oldest first, as the collector would show them to Prometheus."""
    values: dict[tuple[str, str], float] = defaultdict(float)
    kinds: dict[str, str] = {}
    for line in lines:
        metric = measures.find(line["metric"])
        if line["value"] is None:
            continue
        name = measures.prometheus_name(metric)
        kinds[name] = metric.kind
        labels = ",".join(f"{key}={json.dumps(str(value))}" for key, value in sorted(line["attributes"].items()))
        if metric.kind == "gauge":
            values[name, labels] = line["value"]
        elif metric.kind == "counter":
            values[name, labels] += line["value"]
        else:
            bounds = (*metric.bounds, math.inf)
            for number, bound in enumerate(bounds):
                le = "+Inf" if bound == math.inf else f"{bound:g}"
                values[f"{name}_bucket", f'{labels},le="{le}"'] += number >= bisect_left(bounds, line["value"])
            values[f"{name}_sum", labels] += line["value"]
            values[f"{name}_count", labels] += 1
    types = [f"# TYPE {name} {kind}" for name, kind in kinds.items()]
    return "\n".join([*types, *(f"{name}{{{labels}}} {value}" for (name, labels), value in values.items()), ""])


@contextmanager
def scraped(text: str) -> Iterator[str]:
    """Serve `text` on loopback until the block ends; yields host and port. OpenMetrics ends with `# EOF`."""
    version = "application/openmetrics-text; version=1.0.0" if text.endswith("# EOF\n") else "text/plain; version=0.0.4"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{version}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _get(url: str) -> Any:
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        return json.load(answer)


def post(url: str, document: object) -> None:
    """Send a document as JSON."""
    request = Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=5):
        pass


def wait_for(ready: Callable[[], bool], *, seconds: float = 120) -> None:
    """Ask until it is so; what can't be reached is not so yet."""
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        with suppress(OSError):
            if ready():
                return
        time.sleep(0.1)
    raise AssertionError(f"not so within {seconds:g} seconds")


def _free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def _started(folder: Path, *command: str) -> Iterator[None]:
    """Run a program until the block ends; what it said goes into the error of a block that fails."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            yield
        except AssertionError as error:
            error.add_note((folder / "log").read_text()[-3000:])
            raise
        finally:
            process.terminate()
            process.wait(30)


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **parameters: str) -> Any:
        return _get(f"{self._url}{path}?{urlencode(parameters)}")["data"]

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return the vector that an expression gives now."""
        found: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return found

    def page(self, path: str) -> tuple[str, str]:
        """Return the type and the text of a page."""
        with build_opener(ProxyHandler({})).open(f"{self._url}{path}", timeout=5) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    def firing(self) -> set[tuple[str, str]]:
        """Return name and study of each alert that fires."""
        alerts = self.ask('ALERTS{alertstate="firing"}')
        return {(alert["metric"]["alertname"], alert["metric"].get("study", "")) for alert in alerts}

    def is_filled(self) -> bool:
        """Say whether every target was scraped, and every rule evaluated on what was scraped."""
        targets = self.get("/api/v1/targets")["activeTargets"]
        rules = [rule for group in self.get("/api/v1/rules")["groups"] for rule in group["rules"]]
        known = all(target["health"] != "unknown" for target in targets) and all(
            rule["health"] == "ok" for rule in rules
        )
        recorded = (
            "max(count_over_time(potato:counters:added1d[1m])) > 2",
            'count_over_time(up{job="pipeline"}[1m]) > 4',
        )
        return bool(targets and rules) and known and all(map(self.ask, recorded))


@contextmanager
def running(
    folder: Path, text: str, *, history: str = "", collector: bool = True, at_once: bool = False
) -> Iterator[Prometheus]:
    """Start Prometheus with the project's own configuration and rules; only its targets are on loopback.

    Rules are evaluated twice a second. `history` is what was scraped and recorded in the days before, in OpenMetrics'
    format. Without `collector` its own page is not there. With `at_once` no alert waits until it fires.
    """
    assert PROGRAM is not None
    config = yaml.safe_load((HERE / "ops/prometheus/prometheus.yaml").read_text())
    own = _free_address()
    command = yaml.safe_load((HERE / "ops/compose.yaml").read_text())["services"]["prometheus"]["command"]
    as_shipped = [option for option in command if option.startswith(("--web.external-url=", "--enable-feature="))]
    (folder / "pages").mkdir()
    shutil.copy(HERE / "ops/runbook.md", folder / "pages/runbook.txt")
    if history:
        (folder / "history").write_text(history)
        made = ("promtool", "tsdb", "create-blocks-from", "openmetrics", "history", "data")
        subprocess.run(made, cwd=folder, check=True, capture_output=True)
    with scraped(text) as page, scraped("otelcol_process_uptime_seconds 1\n") as there:
        targets = {"pipeline": page, "collector": there if collector else _free_address(), "prometheus": own}
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
        config["alerting"]["alertmanagers"] = []
        for name in config["rule_files"]:
            rules = yaml.safe_load((HERE / "ops/prometheus" / name).read_text())
            for group in rules["groups"]:
                group.pop("interval", None)
                for rule in group["rules"]:
                    rule.pop("for" if at_once else "", None)
            (folder / name).write_text(yaml.safe_dump(rules))
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        options = ("--config.file=prometheus.yaml", "--storage.tsdb.path=data", f"--web.listen-address={own}")
        with _started(folder, PROGRAM, *options, *as_shipped, "--web.user-assets=pages", "--log.level=warn"):
            found = Prometheus(f"http://{own}")
            wait_for(found.is_filled)
            yield found


@contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    """Start Alertmanager with the folder's alertmanager.yaml; yields its address."""
    assert ALERTMANAGER is not None
    own = _free_address()
    options = ("--config.file=alertmanager.yaml", "--storage.path=data", f"--web.listen-address={own}")
    with _started(folder, ALERTMANAGER, *options, "--cluster.listen-address="):
        wait_for(lambda: _get(f"http://{own}/api/v2/status")["versionInfo"] is not None)
        yield f"http://{own}"


def states(url: str) -> dict[str, str]:
    """Return what an Alertmanager does with the alerts that it has, by study: active, suppressed or unprocessed."""
    return defaultdict(
        str, {alert["labels"]["study"]: alert["status"]["state"] for alert in _get(f"{url}/api/v2/alerts")}
    )


@dataclass
class Mailbox:
    """A mail server on loopback: what its clients said to prove who they are, and the letters that it took."""

    address: str = ""
    credentials: list[str] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Take letters over SMTP until the block ends."""
    found = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            for line in iter(self.hear, ""):
                verb, _, rest = line.partition(" ")
                if verb == "AUTH":
                    found.credentials.append(base64.b64decode(rest.split()[-1]).decode())
                if verb == "DATA":
                    self.say("354 go on")
                    found.letters.append("\n".join(iter(self.hear, ".")))
                self.say(
                    {"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "235 welcome", "QUIT": "221 bye"}.get(verb, "250 ok")
                )
                if verb == "QUIT":
                    return

        def hear(self) -> str:
            return self.rfile.readline().decode().rstrip("\r\n")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()


def panel_expressions() -> dict[str, list[str]]:
    """Return what the panels of the dashboard ask Prometheus, by title, for all studies."""
    board = json.loads((HERE / "ops/grafana/dashboards/potato.json").read_text())
    return {
        panel["title"]: [target["expr"].replace("$study", ".*") for target in panel["targets"]]
        for panel in board["panels"]
        if panel.get("datasource", {}).get("type") == "prometheus"
    }


def rule_expressions() -> dict[str, list[str]]:
    """Return what the rules ask, by name: an alert's expression without its comparison,
    each side that is more than a number for itself."""
    rules = yaml.safe_load((HERE / "ops/prometheus/rules.yaml").read_text())["groups"]
    found = {}
    for rule in (rule for group in rules for rule in group["rules"]):
        if "record" in rule:
            found[rule["record"]] = [rule["expr"]]
        elif absent := re.fullmatch(r"absent\((.+)\)", rule["expr"]):
            found[rule["alert"]] = [absent[1]]
        else:
            sides = re.split(r"\s[<>]\s", rule["expr"])
            assert len(sides) == 2, rule["expr"]
            found[rule["alert"]] = [side for side in sides if re.search("[a-z]", side)]
    return found


def runbook(language: str) -> dict[str, list[str]]:
    """Return the lines in the runbook's blocks of a language (promql, logql or sh), by alert; "" is above the first."""
    first, *sections = re.split(r"^## ", (HERE / "ops/runbook.md").read_text(), flags=re.MULTILINE)
    found = {}
    for name, section in [("", first), *((section.split()[0], section) for section in sections)]:
        blocks = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        found[name] = [line for block in blocks for line in block.splitlines()]
    return found
