"""How long, and how much of it, anybody waits for a backend's answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import requests


class Session(requests.Session):
    """Takes the status for the answer: a body, which can be endless, is not read, and no redirect is followed.

    A redirected POST becomes a GET, whose answer says nothing of what was posted: it did not arrive.
    """

    def request(self, *arguments: Any, **options: Any) -> Any:
        answer = super().request(*arguments, **options | {"stream": True, "allow_redirects": False})
        if answer.headers.get("Content-Length") == "0":
            _ = answer.content  # reads to the end, after which the connection can be used again
        answer.close()
        if 300 <= answer.status_code < 400:
            elsewhere = answer.headers.get("Location", "an address that it does not tell")
            raise requests.HTTPError(f"it answers {answer.status_code} and points to {elsewhere}", response=answer)
        return answer


def within(seconds: float, ask: Callable[[], object]) -> None:
    """Call `ask` and wait for it no longer than so many seconds, whatever the other side does.

    The time limits of HTTP clients count for each piece of an answer, and a server can send one letter a second.

    Raises
    ------
    TimeoutError : it is not through; its thread, which keeps no process alive, goes on.
    """
    ended: list[Exception | None] = []

    def run() -> None:
        try:
            ask()
        except Exception as error:
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=run, name="request", daemon=True)
    thread.start()
    thread.join(seconds)
    if not ended:
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    if ended[0] is not None:
        raise ended[0]
