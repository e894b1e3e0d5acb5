#!/bin/sh
# Starts or ends one of the stacks: stack.sh up|down observability|lineage. Called by make.
set -eu
cd "$(dirname "$0")"
action=$1 stack=$2

fail() {
  echo "$1" >&2
  echo "The pipeline needs none of this: without it, the same traces, metrics, logs and lineage are in runs/latest/." >&2
  exit 1
}

command -v docker >/dev/null ||
  fail "There is no docker here, and the stacks are containers. Install Docker Engine or Docker Desktop, then type the same again."
docker compose version >/dev/null 2>&1 ||
  fail "This docker has no compose. Install Docker's compose plugin (Debian: docker-compose-plugin), then type the same again."
docker info >/dev/null 2>&1 ||
  fail "Docker's engine does not answer. Start it (Linux: systemctl start docker), or join the group docker, then type the same again."

case $stack in
observability) file=compose.yaml ;;
lineage) file=compose.lineage.yaml ;;
*) fail "There is no stack called $stack: observability or lineage." ;;
esac

case $action in
down)
  docker compose --file "$file" down
  echo "What was stored stays in Docker's volumes; to remove it, too: docker compose --file ops/$file down --volumes"
  exit
  ;;
up)
  sh ./secrets.sh secrets
  docker compose --file "$file" up --detach --wait --wait-timeout 240 ||
    fail "Not every service came up. To see why: docker compose --file ops/$file logs
If what is stored can't be read (another version's, or damaged), begin anew, without it: docker compose --file ops/$file down --volumes"
  ;;
*) fail "stack.sh up or down, not $action." ;;
esac

if [ "$stack" = observability ]; then
  cat <<'TEXT'

  export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318
  make run

  Grafana       http://localhost:3000    the dashboard; nobody has to log in
  Prometheus    http://localhost:9090    metrics and alert rules
  Alertmanager  http://localhost:9093    who is told; ops/README.md says what to fill in
  Jaeger        http://localhost:16686   traces

  Lineage has a stack of its own: make lineage.up
TEXT
else
  cat <<'TEXT'

  export OPENLINEAGE_URL=http://localhost:5000
  make run

  Marquez       http://localhost:3001    jobs, datasets and columns
  Its API       http://localhost:5000
TEXT
fi
