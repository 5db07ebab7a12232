#!/usr/bin/env bash
# The bridge beside its goals: how fast it drains a queue compared with Kafka's own kafka-producer-perf-test, how late
# messages are at 2,000 a second compared with either broker alone, how much memory it takes while Kafka is away, and how
# fast its journal and its mapping are. One stack of plain processes; a Markdown table on stdout.
#
#   benches/bridge.sh [--rounds N] [--messages N] [--away N] [--seconds N]
#
# By default 5 rounds of 50,000 queued messages, 3 rounds of 10 seconds of latency each, 2,000,000 messages while Kafka is
# away: a quarter of an hour in all. Needs kcat, Python 3, Cargo, and what a stack of plain processes needs.
# SOSSTACK_PORT_OFFSET moves its ports.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    sed -n '6,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

rounds=5
messages=50000
away=2000000
seconds=10
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] && [[ $2 =~ ^[1-9][0-9]*$ ]] || usage
    case $1 in
    --rounds) rounds=$2 ;;
    --messages) messages=$2 ;;
    --away) away=$2 ;;
    --seconds) seconds=$2 ;;
    *) usage ;;
    esac
    shift 2
done

source benches/lib/figures.sh
source benches/lib/stack.sh
source benches/lib/bridge.sh

need kcat python3 java
own_stack bench-bridge
broker=$("$sosstack" --output json status | python3 -c 'import json, sys; print(json.load(sys.stdin)["services"][3]["handle"])')
class_path=$(tr '\0' '\n' <"/proc/$broker/cmdline" | sed -n '/^-cp$/{n;p}')
fetch_tools

helper envelopes "$messages" >"$work/envelopes"
start_bridge
end_bridge
for ((round = 0; round <= rounds; round++)); do
    echo "bench: drain, round $round of $rounds" >&2
    # Who begins changes with the round.
    if [ $((round % 2)) = 0 ]; then
        drain
        perf_test
    else
        perf_test
        drain
    fi
    # The first warms the disk and the caches.
    [ "$round" -gt 0 ] || rm -f "$results"/*
done

start_bridge
for path in mqtt kafka bridge; do late_on "$path" 3; done
rm -f "$results"/late.*
for ((round = 1; round <= 3; round++)); do
    echo "bench: latency, round $round of 3" >&2
    for path in mqtt kafka bridge; do late_on "$path" "$seconds"; done
done
end_bridge

echo "bench: $away messages while Kafka is away" >&2
kafka_away
table
