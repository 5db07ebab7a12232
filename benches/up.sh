#!/usr/bin/env bash
# How long `up` and `down` take, beside Docker Compose with the same images: rounds in which the contestants take
# turns, medians, and the ratio of the first to Compose. The table is printed on stdout.
#
#   benches/up.sh [--rounds N] [--runtimes docker,process] [--zookeeper IMAGE] [--kafka IMAGE] [--mosquitto IMAGE]
#
# By default 3 rounds, both runtimes, and the stand-in images of tests/images. A round before them, which is not
# counted, fetches what has to be fetched. Needs a Docker daemon and Go; a program named by COMPOSE is taken instead
# of building Docker Compose.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    sed -n '5,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

rounds=3
runtimes=docker,process
export ZOOKEEPER_IMAGE=sosstack-test/zookeeper:3.9.4
export KAFKA_IMAGE=sosstack-test/kafka:3.9.2
export MOSQUITTO_IMAGE=sosstack-test/mosquitto:2.0.21
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --rounds) rounds=$2 ;;
    --runtimes) runtimes=$2 ;;
    --zookeeper) ZOOKEEPER_IMAGE=$2 ;;
    --kafka) KAFKA_IMAGE=$2 ;;
    --mosquitto) MOSQUITTO_IMAGE=$2 ;;
    *) usage ;;
    esac
    shift 2
done
[[ $rounds =~ ^[1-9][0-9]*$ && $runtimes =~ ^(docker|process)(,(docker|process))?$ ]] || usage
if [ "${BASH_VERSINFO[0]}" -lt 5 ]; then
    echo "bench: bash 5 is needed for its clock" >&2
    exit 1
fi

compose_dir=benches/compose
source benches/lib/figures.sh
source scripts/lib/docker-compose.sh
source benches/lib/compose.sh

sosstack=${SOSSTACK:-${CARGO_TARGET_DIR:-target}/release/sosstack}
work=$(mktemp -d)
results=$work/results
mkdir "$results"
# A stack of the bench's own: its data, its ports, its images, whatever the caller's environment says.
export XDG_DATA_HOME=$work/data SOSSTACK_PORT_OFFSET=20000 SOSSTACK_FILE=$work/sosstack.yaml
unset SOSSTACK_STACK SOSSTACK_RUNTIME SOSSTACK_OUTPUT
printf 'zookeeper:\n  image: %s\nkafka:\n  image: %s\nmosquitto:\n  image: %s\n' \
    "$ZOOKEEPER_IMAGE" "$KAFKA_IMAGE" "$MOSQUITTO_IMAGE" >"$SOSSTACK_FILE"

stack() {
    local runtime=$1 verb=$2
    shift 2
    if [ "$verb" = up ]; then set -- --runtime "$runtime" "$@"; fi
    "$sosstack" --quiet --stack "bench-$runtime" "$verb" "$@"
}

remove_all() {
    local runtime
    for runtime in docker process; do stack "$runtime" down --volumes --yes >/dev/null 2>&1 || true; done
    compose_remove || true
}
clean_up() {
    trap - EXIT
    remove_all
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Everything about one contestant, from nothing to nothing.
sosstack_round() {
    local runtime=$1 name=sosstack-$1
    measure "$name" up-empty stack "$runtime" up
    # What up has others do in the background, once: the rounds that count begin with it done.
    [ "$round" -gt 0 ] || stack "$runtime" make-archives
    measure "$name" up-running stack "$runtime" up
    measure "$name" status stack "$runtime" status
    measure "$name" down stack "$runtime" down
    measure "$name" up-data stack "$runtime" up
    stack "$runtime" down --volumes --yes
}

compose_round() {
    measure compose up-empty compose_up_and_topics
    measure compose up-running compose_up
    measure compose status compose ps
    measure compose down compose_down
    measure compose up-data compose_up_again
    compose_remove
}

check() {
    [ -x "$sosstack" ] || {
        echo "bench: $sosstack is missing: make build" >&2
        return 1
    }
    docker version >/dev/null 2>&1 || {
        echo "bench: no Docker daemon answers; on Debian, as root: export DOCKER_HOST=\$(scripts/docker-daemon start DIR)" >&2
        return 1
    }
    docker image inspect "$ZOOKEEPER_IMAGE" "$KAFKA_IMAGE" "$MOSQUITTO_IMAGE" >/dev/null 2>&1 || tests/images/build.sh
    fetch_compose
}

table() {
    local contestants=() heads='' rule='' runtime
    for runtime in ${runtimes//,/ }; do
        contestants+=("sosstack-$runtime")
        heads="$heads sosstack, $runtime |"
        rule="$rule---|"
    done
    contestants+=(compose)
    echo "Medians of $rounds rounds; $(getconf _NPROCESSORS_ONLN) cores, Docker $(docker version --format '{{.Server.Version}}'), Compose $compose_version."
    echo
    echo "| what |$heads Compose | ratio |"
    echo "|---|$rule---|---|"
    row "\`up\` from empty volumes (Compose: \`up --wait\`, then a call a topic)" up-empty "${contestants[@]}"
    row "\`up\` with data present" up-data "${contestants[@]}"
    row "\`up\` when all is up" up-running "${contestants[@]}"
    row "\`status\`" status "${contestants[@]}"
    row "\`down\`, data kept" down "${contestants[@]}"
}

check
remove_all
for ((round = 0; round <= rounds; round++)); do
    echo "bench: round $round of $rounds" >&2
    for runtime in ${runtimes//,/ }; do sosstack_round "$runtime"; done
    compose_round
    # The first fetches what has to be fetched and warms the disk.
    [ "$round" -gt 0 ] || rm -f "$results"/*
done
table
