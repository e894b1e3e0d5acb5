#!/bin/sh
# Resolves pyproject.toml into the locks: versions and hashes, no addresses. dev.lock and spark.lock rest on run.lock.
set -eu
compile() {
  output=$1
  shift
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
    --no-header --output-file "requirements/$output" "$@" >/dev/null
  echo "requirements/$output"
}
cd "$(dirname "$0")/.."
compile run.lock pyproject.toml
compile dev.lock --group test --group check --constraint requirements/run.lock
compile spark.lock pyproject.toml --extra spark --constraint requirements/run.lock
echo uv | compile setup.lock -
echo quarto-cli | compile quarto.lock - --no-deps
