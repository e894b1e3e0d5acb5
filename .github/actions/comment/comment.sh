#!/usr/bin/env bash
# comment.sh TOPIC FILE: puts FILE into the one comment about TOPIC on PULL_REQUEST of GITHUB_REPOSITORY.
set -euo pipefail
topic=$1 file=$2
longest=60000 # GitHub refuses comments of more than 65,536 characters
marker="<!-- $topic -->"
comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"

body=$(mktemp)
trap 'rm -f "$body"' EXIT
{
  echo "$marker"
  if [ "$(wc -m <"$file")" -gt "$longest" ]; then
    python3 -c 'import sys; print(open(sys.argv[1], encoding="utf-8").read()[: int(sys.argv[2])])' "$file" "$longest"
    echo
    echo "The rest is in the run's artifact: this is more than a comment can hold."
  else
    cat "$file"
  fi
} >"$body"

# Another person's comment that starts with the marker is left alone.
mine=".[] | select(.user.login == \"github-actions[bot]\" and (.body | startswith(\"$marker\"))) | .id"
id=$(gh api --paginate "$comments" --jq "$mine" | head -n 1)
if [ -n "$id" ]; then
  gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --field "body=@$body"
else
  gh api --silent --method POST "$comments" --field "body=@$body"
fi
