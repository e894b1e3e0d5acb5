"""A headless Chromium that opens pages, clicks on what a person sees, and tells what is in view then.

It is driven by its own DevTools protocol over a pipe: messages in JSON, each ended by a zero byte.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_SECONDS = 30
_SETTLED = "document.readyState === 'complete' && document.body !== null"
_TARGET = """
(() => {
  const element = %s;
  if (!element) return {error: 'is not on the page'};
  if (!element.checkVisibility()) return {error: 'is not shown'};
  element.scrollIntoView({block: 'center', behavior: 'instant'});
  const box = element.getClientRects()[0];
  const x = box.left + Math.min(box.width / 2, 20), y = box.top + box.height / 2;
  const hit = document.elementFromPoint(x, y);
  return element.contains(hit) ? {x, y} : {error: 'lies below ' + (hit && hit.outerHTML.slice(0, 100))};
})()
"""


class Browser:
    """One page of a browser; `clicks` counts since the page was opened."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._buffer, self._last = b"", 0
        self._session: str | None = None
        made = self._send("Target.createTarget", url="about:blank")
        attached = self._send("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        self._session = attached["sessionId"]
        self._send("Page.enable")
        self.size(1200)
        self.clicks = 0

    def size(self, width: int, height: int = 900) -> None:
        """Make the window as wide as a phone or a screen."""
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, address: str) -> None:
        """Open a page afresh, also where only the part behind # differs from the page that is open."""
        self._send("Page.navigate", url="about:blank")
        self._wait("location.href === 'about:blank'")
        self._send("Page.navigate", url=address)
        self._wait(f"location.href !== 'about:blank' && {_SETTLED}")
        self.clicks = 0

    def ask(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript."""
        found = self._send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def click(self, element: str) -> None:
        """Click with the mouse on an element, an expression of JavaScript, that a person can see, and wait."""
        place = self.ask(_TARGET % element)
        assert "error" not in place, f"{element} {place['error']} at {self.ask('location.href')}"
        address = self.ask(f"(({element}).closest('a') || {{}}).href || null")
        for kind in ("mousePressed", "mouseReleased"):
            self._send("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
        if address:
            self._wait(f"location.href === {json.dumps(address)} && {_SETTLED}")
        self.clicks += 1

    def _wait(self, condition: str) -> None:
        over = time.monotonic() + _SECONDS
        # Two frames later what a link opens is open, and scrolled to.
        frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
        while time.monotonic() < over:
            with contextlib.suppress(RuntimeError):  # a page that is left answers nothing
                if self.ask(condition):
                    self.ask(frames)
                    return
            time.sleep(0.02)
        raise TimeoutError(f"{condition} at {self.ask('location.href')}")

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], _SECONDS)
            piece = os.read(self._read, 1 << 20) if ready else b""
            if not piece:
                raise TimeoutError("the browser does not answer")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser that keeps its files in `profile`, and end it."""
    assert PROGRAM is not None
    there, write = os.pipe()
    read, back = os.pipe()
    options = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --no-proxy-server"
    # The protocol's pipes have the numbers 3 and 4.
    script = f'exec "$0" {options} --remote-debugging-pipe --user-data-dir="$1" 3<&{there} 4>&{back} 2>/dev/null'
    command = ["bash", "-c", script, PROGRAM, str(profile)]
    process = subprocess.Popen(command, pass_fds=(there, back), stdout=subprocess.DEVNULL)
    os.close(there)
    os.close(back)
    try:
        yield Browser(read, write)
    finally:
        os.close(write)
        os.close(read)
        process.terminate()
        process.wait(_SECONDS)
