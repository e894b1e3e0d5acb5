#!/bin/sh
# Sets up one part of the environment: venv, run, aws, dev or checkov. Called by make; says what it does, since it takes
# a while.
set -eu
part=$1 python=$2 venv=$3
log=.setup/$part.log
mkdir -p .setup

fail() {
  tail -n 15 "$log" >&2
  echo "set-up stopped: $1 (the whole log is $log)" >&2
  exit 1
}

# Installs with uv: its milestones go to the terminal, all that it says into the log.
install() {
  {
    status=0
    "$venv/bin/uv" pip install --python "$venv/bin/python" --require-hashes --compile-bytecode "$@" || status=$?
    echo "status $status"
  } 2>&1 | tee -a "$log" | grep --line-buffered -E '^(Resolved|Prepared|Installed|Bytecode compiled)' || true
  tail -n 1 "$log" | grep -q '^status 0$'
}

# Runs a command for at most so many seconds; macOS has no `timeout`.
within() {
  "$venv/bin/python" -c 'import subprocess, sys; sys.exit(subprocess.run(sys.argv[2:], timeout=int(sys.argv[1])).returncode)' "$@"
}

case $part in
venv)
  command -v "$python" >/dev/null || { echo "There is no $python. Install Python 3.11 or newer, or type: make run PYTHON=python3.12" >&2; exit 1; }
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "$("$python" --version) is too old. Install Python 3.11 or newer, or type: make run PYTHON=python3.12" >&2; exit 1; }
  echo "set-up 1/3: a virtual environment in $venv"
  "$python" -m venv --clear "$venv" >"$log" 2>&1 || fail "python -m venv failed; on Debian and Ubuntu: apt install python3-venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/setup.lock \
    >"$log" 2>&1 || fail "the package registry can't be reached"
  ;;
run)
  echo "set-up 2/3: the packages of requirements/run.lock (a few minutes the first time)"
  : >"$log"
  install -r requirements/run.lock || fail "a package of requirements/run.lock could not be installed"
  "$venv/bin/uv" pip install --python "$venv/bin/python" --no-deps --no-build-isolation -e . >>"$log" 2>&1 ||
    fail "the project itself could not be installed"
  if command -v quarto >/dev/null; then
    echo "set-up 3/3: the site is rendered by $(command -v quarto)"
  elif within 180 "$venv/bin/uv" pip install --python "$venv/bin/python" --no-deps --no-build-isolation \
    --require-hashes -r requirements/quarto.lock >>"$log" 2>&1; then
    echo "set-up 3/3: the site is rendered by Quarto"
  else
    echo "set-up 3/3: Quarto could not be had here; pandoc renders the same pages"
  fi
  if [ -e .git ]; then
    "$venv/bin/dvc" config --local --unset core.no_scm >/dev/null 2>&1 || true
  else
    "$venv/bin/dvc" config --local core.no_scm true
  fi
  ;;
aws)
  echo "set-up: the packages that AWS needs"
  : >"$log"
  install -r requirements/aws.lock || fail "a package of requirements/aws.lock could not be installed"
  ;;
dev)
  echo "set-up: the packages that tests and checks need"
  : >"$log"
  install -r requirements/dev.lock || fail "a package of requirements/dev.lock could not be installed"
  ;;
checkov)
  # In an environment of its own: it pins versions that the project has moved past.
  echo "set-up: checkov, which looks over infra/terraform"
  : >"$log"
  "$venv/bin/uv" venv --quiet --clear .setup/checkov-env --python "$venv/bin/python" >>"$log" 2>&1 || fail "no environment could be made"
  "$venv/bin/uv" pip install --python .setup/checkov-env/bin/python --require-hashes --compile-bytecode \
    -r requirements/checkov.lock >>"$log" 2>&1 || fail "a package of requirements/checkov.lock could not be installed"
  ;;
esac
