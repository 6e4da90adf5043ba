#!/usr/bin/env bash
# usage: tests/compose/run.sh CHECK [ARG ...]
# Brings the stack of compose.yaml up as a project of its own, on free ports, runs CHECK, and takes all of it down again.
# Where no Docker daemon answers, the script named in COMPOSE_SMOKE brings a private one; without both it is a skip, in words.
set -euo pipefail
cd "$(dirname "$0")/../.."
export COMPOSE_FILE=$PWD/compose.yaml COMPOSE_PROJECT_NAME=streamflow-test IMAGE_TAG=test
free() { .venv/bin/python -c 'from streamflow.services.processes import free_port as p; print(*{p() for _ in range(60)})'; }
read -r API_PORT MLFLOW_PORT PREFECT_PORT FEAST_PORT FEAST_UI_PORT POSTGRES_PORT CONSOLE_PORT _ <<<"$(free)"
export API_PORT MLFLOW_PORT PREFECT_PORT FEAST_PORT FEAST_UI_PORT POSTGRES_PORT CONSOLE_PORT
# Docker refuses a service more processors than the machine has.
if [ "$(getconf _NPROCESSORS_ONLN)" = 1 ]; then export POSTGRES_CPUS=1 PREFECT_CPUS=1 API_CPUS=1; fi

if docker info >/dev/null 2>&1; then
  trap 'docker compose down --volumes --remove-orphans --timeout 10' EXIT
  docker compose up -d --build --wait
  "$@"
elif [ -f "${COMPOSE_SMOKE:-}" ]; then
  # It has no registry, so nothing can be pulled by digest: it makes images with these two names.
  export PYTHON_IMAGE=python:3.11-slim POSTGRES_IMAGE=postgres:16
  timeout "${COMPOSE_TIMEOUT:-2400}" bash "$COMPOSE_SMOKE" "$COMPOSE_FILE" "$@"
else
  echo "compose-test skipped: no Docker daemon answers, and COMPOSE_SMOKE names no script that brings one"
fi
