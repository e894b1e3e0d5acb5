"""What do traces, metrics, logs and lineage cost when they are sent?

Runs the whole pipeline (`dvc repro`) with every signal sent to receivers on this machine and, in turn with it, with
nothing set, and prints the ratio pair by pair. The receivers take whatever comes and answer at once. The processor time
is printed beside it, since on a busy machine the wall clock tells more of others than of the pipeline.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.overhead import copy, pipeline

LIMIT = 1.1
PATHS = ("/v1/traces", "/v1/metrics", "/v1/logs", "/api/v1/lineage")


@contextmanager
def receiver() -> Iterator[tuple[str, Counter[str]]]:
    """Serve until the block ends; yield the address, and how many requests each path got."""
    found: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found[self.path] += 1
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", found
    finally:
        server.shutdown()
        server.server_close()


def measured(folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Run the pipeline; return the seconds on the wall clock, and those of the processors."""
    before = os.times()
    wall = pipeline(folder, environment)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name, receiver() as (url, requests):
        folder = Path(name)
        off = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "OPENLINEAGE_", "MLFLOW_"))}
        off.pop("PYTHONDONTWRITEBYTECODE", None)
        off |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        on = off | {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OPENLINEAGE_URL": url}
        copy(folder)
        print("warm-up (also makes the data and the MLflow store) ...", flush=True)
        pipeline(folder, off)
        ratios, work = [], []
        for pair in range(1, pairs + 1):
            # Taking turns in who goes first evens out a machine that grows slower or faster.
            order = (on, off) if pair % 2 else (off, on)
            seconds = {id(environment): measured(folder, environment) for environment in order}
            (sent, sent_work), (nothing, nothing_work) = seconds[id(on)], seconds[id(off)]
            ratios.append(sent / nothing)
            work.append(sent_work / nothing_work)
            print(
                f"pair {pair}: sent {sent:5.1f} s, nothing sent {nothing:5.1f} s, ratio {ratios[-1]:.2f};"
                f" processors {sent_work:5.1f} s and {nothing_work:5.1f} s, ratio {work[-1]:.2f}",
                flush=True,
            )
        missing = [path for path in PATHS if not requests[path]]
        print("requests: " + ", ".join(f"{count} to {path}" for path, count in sorted(requests.items())))
    ratio = statistics.median(ratios)
    print(f"with every signal sent the processors have {statistics.median(work):.2f} times as much to do")
    print(f"with every signal sent the pipeline takes {ratio:.2f} times as long (at most {LIMIT} is wanted)")
    if missing:
        print(f"nothing was sent to {', '.join(missing)}")
    sys.exit(ratio > LIMIT or bool(missing))


if __name__ == "__main__":
    main()
