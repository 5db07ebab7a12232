#!/usr/bin/env bash
# The bridge beside others, in turns on one stack of plain processes: Telegraf (mqtt_consumer → kafka), and a Node program
# with mqtt.js and kafkajs as teams write it, message by message or gathered into batches. How fast each drains what waits
# in Mosquitto, what CPU it takes for a message, how late messages are, and what is lost or doubled when it or Kafka is
# killed. A Markdown table on stdout.
#
#   benches/bridge-peers.sh [--rounds N] [--messages N] [--seconds N] [--kills N]
#
# By default 3 rounds of 50,000 queued messages of 200 bytes, 3 rounds of 5 seconds of latency at each rate, 10 kills of each
# bridge while 300 devices publish: 20 minutes in all. Needs Go, npm and Python 3, and what a stack of plain processes needs;
# Telegraf is built from its module and the Node clients are fetched, once, into target/. SOSSTACK_PORT_OFFSET moves its
# ports.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    sed -n '7,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

rounds=3
messages=50000
seconds=5
kills=10
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] && [[ $2 =~ ^[1-9][0-9]*$ ]] || usage
    case $1 in
    --rounds) rounds=$2 ;;
    --messages) messages=$2 ;;
    --seconds) seconds=$2 ;;
    --kills) kills=$2 ;;
    *) usage ;;
    esac
    shift 2
done
# Mosquitto keeps 100,000 messages for a client that is away.
if [ "$messages" -lt 1000 ] || [ "$messages" -gt 90000 ] || [ "$kills" -gt 100 ] || [ "$seconds" -gt 60 ]; then usage; fi

root=$PWD here=$PWD/tests/interop
source benches/lib/figures.sh
source benches/lib/stack.sh
source benches/lib/bridge.sh
source benches/lib/peers.sh
source tests/interop/lib/prepare.sh

need go node npm python3
fetch_telegraf
prepare_kafkajs >&2
own_stack bench-peers benches/lib/peers.yaml
configure_peers
helper envelopes "$messages" >"$work/envelopes"

# Each round begins with another one.
turns() {
    local one
    for ((one = 0; one < ${#contenders[@]}; one++)); do echo "${contenders[$(((one + $1) % ${#contenders[@]}))]}"; done
}

for ((round = 0; round <= rounds; round++)); do
    echo "bench: drain, round $round of $rounds" >&2
    for contender in $(turns "$round"); do drain_of "$contender" "$contender" "$(share_of "$contender")"; done
    # The first warms the disk and the brokers.
    [ "$round" -gt 0 ] || rm -f "$results"/*
done

slowest=$(for contender in "${contenders[@]}"; do median "$contender" drain; done | sort -n | head -n 1)
rates=()
for share in 25 50 75; do rates+=($((slowest * share / 100))); done
# The two that wait for Kafka before they acknowledge, at what the slower one of them can do.
faster=()
for share in 25 50; do faster+=($(($(median telegraf drain) * share / 100))); done
for ((round = 1; round <= rounds; round++)); do
    echo "bench: latency, round $round of $rounds" >&2
    for contender in $(turns "$round"); do
        case $contender in
        bridge | telegraf) late_of "$contender" "${rates[@]}" "${faster[@]}" ;;
        *) late_of "$contender" "${rates[@]}" ;;
        esac
    done
done

echo "bench: Telegraf with Mosquitto's default of 20 messages in flight" >&2
with_stack_file /dev/null
for ((round = 1; round <= rounds; round++)); do drain_of telegraf default $((messages / 5)); done
with_stack_file benches/lib/peers.yaml

for what in kill_often kill_kafka; do
    for contender in "${contenders[@]}"; do under "$contender" "$what"; done
done
table_of_peers
