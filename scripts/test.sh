#!/usr/bin/env bash
# Runs all tests, the real stack on every runtime that this machine can have included. Where no Docker daemon
# answers and this is root on Debian, starts one of its own and stops it again.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sosstack-test
runtimes=process

docker_answers() { command -v docker >/dev/null && timeout 10 docker version >/dev/null 2>&1; }

# Official images if they are here or to be had, else stand-ins with their layout.
choose_images() {
    local images
    mapfile -t images < <(scripts/default-images.sh)
    if docker image inspect "${images[@]}" >/dev/null 2>&1; then return; fi
    if printf '%s\n' "${images[@]}" | xargs -n 1 -P 3 timeout 600 docker pull --quiet >/dev/null 2>&1; then return; fi
    echo "test: the official images cannot be pulled here; using stand-ins with their layout" >&2
    tests/images/build.sh "$cache"
    export SOSSTACK_TEST_STACK_FILE=$PWD/tests/images/stack.yaml
}

if ! docker_answers && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "test: no Docker daemon answers; starting one for the tests" >&2
    DOCKER_HOST=$(scripts/docker-daemon start "$cache/docker")
    export DOCKER_HOST
    # Ours, so a test may stop it.
    export SOSSTACK_TEST_DAEMON=$cache/docker
    trap 'scripts/docker-daemon stop "$cache/docker"' EXIT
fi
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
