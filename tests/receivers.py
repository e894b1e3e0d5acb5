"""Backends on the loopback interface: one that records, one that refuses, one that never answers."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Receiver:
    """A running server: its address, the requests (path, headers, body) that it got, and bytes that it answered."""

    url: str
    requests: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    written: int = 0

    def bodies(self, path: str) -> list[bytes]:
        return [body for requested, _, body in self.requests if requested == path]


@contextmanager
def receiver(
    *,
    status: int = 200,
    hang: bool = False,
    delay: float = 0.0,
    headers: Mapping[str, str] | None = None,
    answer: Callable[[bytes], int] | None = None,
    endless: bool = False,
    drip: float = 0.0,
) -> Iterator[Receiver]:
    """Serve until the block ends.

    Parameters
    ----------
    hang : requests are taken and never answered while it lasts.
    delay : seconds that an answer takes.
    headers : of each answer.
    answer : returns the status of the answer to a body.
    endless : the answer's body has no end.
    drip : seconds between two letters of the answer.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.requests.append((self.path, dict(self.headers), body))
            if hang:
                over.wait()
                return
            over.wait(delay)
            if drip:
                for letter in b"HTTP/1.1 200 OK\r\n" * 100:
                    if over.wait(drip):
                        return
                    self.wfile.write(bytes([letter]))
            self.send_response(answer(body) if answer else status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if not endless:
                self.send_header("Content-Length", "0")
            self.end_headers()
            with contextlib.suppress(OSError):
                while endless and not over.is_set():
                    found.written += self.wfile.write(b"x" * 100_000)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        server.shutdown()
        server.server_close()


@contextmanager
def dead_backend(kind: str) -> Iterator[str]:
    """Yield the address of a backend that answers 500, hangs, or refuses connections."""
    if kind == "refused":
        with socket.socket() as taken:
            # Bound and not listening: the port is nobody else's and refuses every connection.
            taken.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    else:
        with receiver(status=500, hang=kind == "hang") as found:
            yield found.url


DEAD = ("error 500", "hang", "refused")


def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out what the machine that runs the tests has set for the instruments."""
    prefixes = ("OTEL_", "OPENLINEAGE_", "MLFLOW_", "TRACEPARENT", "POTATO_", "DVC_")
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
