"""What stands between S3's clients and the server: it forwards, refuses or cuts off, as a test tells it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUT = object()
"""The answer that closes the connection in the middle of a request."""

HALF = object()
"""The answer that closes the connection in the middle of what S3 sends."""

Answer = tuple[int, str] | tuple[int, str, str] | object | None
"""A status and S3's code of an error, perhaps with its text, CUT, HALF, or None to forward the request."""


@dataclass
class Proxy:
    """Its address, and the (method, path) of each request in the order in which they came."""

    address: str
    requests: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def between(server: str, answer: Callable[[str, str], Answer] = lambda method, path: None) -> Iterator[Proxy]:
    """Run the proxy on a free port until the block ends; `answer` gets method and path of each request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            path = self.path.split("?")[0]
            told = answer(self.command, path)
            proxy.requests.append((self.command, path))
            if told is CUT:
                self.close_connection = True
                return
            if self.headers.get("Expect", "").lower() == "100-continue":
                pass  # http.server has answered it
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            if isinstance(told, tuple):
                status, code, *said = told
                message = said[0] if said else "told by a test"
                xml = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
                self._send(status, {"Content-Type": "application/xml"}, xml)
                return
            kept = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "content-length", "expect")}
            kept.setdefault("Content-Type", "binary/octet-stream")  # else urllib says that it is a form
            asked = urllib.request.Request(server + self.path, body, kept, method=self.command)
            try:
                with opener.open(asked) as response:
                    content = response.read()
                    self._send(response.status, dict(response.headers), content, half=told is HALF)
            except urllib.error.HTTPError as error:
                self._send(error.code, dict(error.headers), error.read())

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _any  # noqa: N815

        def _send(self, status: int, headers: dict[str, str], content: bytes, *, half: bool = False) -> None:
            self.send_response(status)
            length = headers.pop("Content-Length", str(len(content)))
            for name, value in headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "date", "server", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
            self.end_headers()
            if half:
                content, self.close_connection = content[: len(content) // 2], True
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    proxy = Proxy(f"http://127.0.0.1:{listening.server_address[1]}")
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield proxy
    finally:
        listening.shutdown()
        listening.server_close()
