#!/usr/bin/env bash
# What `sosstack export compose` emits, run by Docker Compose as somebody would who has no sosstack.
#
#   tests/compose/run.sh
#
# Takes the debug build (or SOSSTACK), a stack of its own (compose-test) and ports from 2181+2500 up. Needs a Docker
# daemon (as root on Debian it starts one), kcat, the Mosquitto clients, and Go or a docker-compose program named by
# COMPOSE. Prints `ok NAME` a line; everything is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/lib/docker-compose.sh
source scripts/lib/test-docker.sh

sosstack=$PWD/${SOSSTACK:-${CARGO_TARGET_DIR:-target}/debug/sosstack}
work=$(mktemp -d)
offset=2500
kafka_port=$((9092 + offset)) mqtt_port=$((1883 + offset)) mqtts_port=$((8883 + offset)) ws_port=$((9001 + offset))
project=compose-test
test_stack_file=${SOSSTACK_TEST_STACK_FILE:-}
unset "${!SOSSTACK_@}" COMPOSE_FILE COMPOSE_PROFILES COMPOSE_PROJECT_NAME
export XDG_DATA_HOME=$work/data

source tests/compose/lib.sh

clean_up() {
    trap - EXIT
    compose --profile bridge down --volumes --timeout 1 >/dev/null 2>&1 || true
    if [ -n "${own_image:-}" ]; then
        docker image rm --force "$own_image" "$own_image-builder" "$own_image-base" >/dev/null 2>&1 || true
        # What the builder leaves without a name, and it is large.
        docker image prune --force --filter "label=sosstack-test.image=$project" >/dev/null || true
    fi
    rm -rf "$work"
    stop_own_docker
}
trap clean_up EXIT
trap 'exit 130' INT TERM

start_docker_if_none
docker_answers || fail docker "no Docker daemon answers"
[ -n "$test_stack_file" ] || { choose_images && test_stack_file=${SOSSTACK_TEST_STACK_FILE:-}; }
fetch_compose

cat "${test_stack_file:-/dev/null}" >"$work/sosstack.yaml"
export_stack
compose config --quiet || fail export "Compose does not accept it"
# What a killed run left behind.
compose down --volumes --timeout 1 >/dev/null 2>&1 || true

source tests/compose/checks.sh
for check in "${checks[@]}"; do
    before=$SECONDS
    "$check"
    echo "ok ${check#check_} ($((SECONDS - before)) s)"
done
