#!/bin/sh
# Resolves pyproject.toml into the locks: versions and hashes, no addresses. the others rest on run.lock.
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
compile dev.lock --group test --group check --group ops --constraint requirements/run.lock
python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["aws"], sep="\n")' |
  compile aws.lock - --constraint requirements/run.lock
compile spark.lock pyproject.toml --extra spark --constraint requirements/run.lock
echo uv | compile setup.lock -
echo quarto-cli | compile quarto.lock - --no-deps
echo checkov | compile checkov.lock -
