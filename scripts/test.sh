#!/usr/bin/env bash
# Runs all tests, the real stack on every runtime that this machine can have included. Where no Docker daemon
# answers and this is root on Debian, starts one of its own and stops it again.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib/test-docker.sh
runtimes=process

start_docker_if_none
trap stop_own_docker EXIT
if docker_answers; then
    runtimes=docker,process
    choose_images
else
    echo "test: SKIPPING the Docker runtime: no daemon answers, and only root on Debian can start one here" >&2
fi

# Insisted on: a runtime that is named here and does not work is a failure, not a skipped test.
export SOSSTACK_TEST_RUNTIMES=$runtimes
# One stack at a time: it is as large as a laptop.
RUST_TEST_THREADS=1 cargo test --locked "$@"
