#!/bin/sh
# workspace.sh COMMAND...: lays the project into the workspace, the one place that a run writes to, and runs there.
# What earlier runs left in data/, runs/ and _site/ stays, and so does dvc.lock, which says what made it.
set -eu
image=${POTATO_IMAGE:-/opt/potato}
own=${POTATO_STUDIES:-/etc/potato/studies}
cd "$POTATO_ROOT"

for part in potato notebooks reports; do
  rm -rf "./$part"
done
mkdir -p .dvc studies
cp -R "$image/potato" "$image/notebooks" "$image/reports" .
cp "$image/studies"/*.yaml studies/
cp "$image/.dvcignore" "$image/dvc.yaml" "$image/params.yaml" .
cp "$image/.dvc/config" .dvc/config
[ -e dvc.lock ] || cp "$image/dvc.lock" .

# A cluster's own studies go before those of the image. POTATO_SET changes params.yaml as `dvc exp run -S` would, but
# without git: "study=NAME gold.confidence=0.9".
for study in "$own"/*.yaml; do
  [ ! -e "$study" ] || cp "$study" studies/
done
[ -z "${POTATO_SET:-}" ] || python -c '
import os, sys
from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides
try:
    apply_overrides("params.yaml", os.environ["POTATO_SET"].split())
except DvcException as error:
    sys.exit(f"POTATO_SET is not understood: {error.__cause__ or error}")'

[ -e .git ] || dvc config --quiet --local core.no_scm true
exec "$@"
