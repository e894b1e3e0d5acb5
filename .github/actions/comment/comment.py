"""comment.py TOPIC FILE: FILE becomes the one comment about TOPIC on a pull request; made if there is none."""

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

LONGEST = 60_000  # GitHub refuses comments of more than 65,536 characters
PAGE = 100
WRITER = "github-actions[bot]"


def ask(method: str, path: str, content: dict[str, str] | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310, GitHub's own address, from the runner
        f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/issues/{path}",
        method=method,
        data=json.dumps(content).encode() if content else None,
        headers={
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def ours(marker: str, number: str) -> int | None:
    """Return the id of the comment that starts with the marker and that a workflow wrote, not a person."""
    page = 1
    while True:
        comments = ask("GET", f"{number}/comments?per_page={PAGE}&page={page}")
        for comment in comments:
            if comment["user"]["login"] == WRITER and comment["body"].startswith(marker):
                return comment["id"]
        if len(comments) < PAGE:
            return None
        page += 1


def main(topic: str, file: str) -> None:
    text = Path(file).read_text(encoding="utf-8")
    if len(text) > LONGEST:
        text = text[:LONGEST] + "\n~~~\n\nThe rest is in the run's artifact: a comment can't hold it.\n"
    marker, number = f"<!-- {topic} -->", os.environ["PULL_REQUEST"]
    body = {"body": f"{marker}\n{text}"}
    known = ours(marker, number)
    if known is None:
        ask("POST", f"{number}/comments", body)
    else:
        ask("PATCH", f"comments/{known}", body)


if __name__ == "__main__":
    main(*sys.argv[1:])
