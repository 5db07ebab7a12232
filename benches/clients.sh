#!/usr/bin/env bash
# pub, sub and tail beside kcat, mosquitto_pub and mosquitto_sub: same brokers, same data, in turns. Medians and
# ratios (the peer's figure divided by ours: more than 1 is better) as a Markdown table on stdout.
#
#   benches/clients.sh [--rounds N] [--messages N] [--memory N]
#
# By default 3 rounds, 500,000 messages of 211 bytes for Kafka (60,000 of them for MQTT, where mosquitto_pub loses
# none yet), and 10,000,000 messages for the memory of tail. Needs kcat, the Mosquitto clients, Python 3, and what
# a stack of plain processes needs. SOSSTACK_PORT_OFFSET moves its ports.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    sed -n '5,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

rounds=3
messages=500000
memory=10000000
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] && [[ $2 =~ ^[1-9][0-9]*$ ]] || usage
    case $1 in
    --rounds) rounds=$2 ;;
    --messages) messages=$2 ;;
    --memory) memory=$2 ;;
    *) usage ;;
    esac
    shift 2
done
mqtt_messages=$((messages < 60000 ? messages : 60000))

for program in kcat mosquitto_pub mosquitto_sub python3; do
    command -v "$program" >/dev/null || {
        echo "bench: $program is missing" >&2
        exit 1
    }
done
sosstack=$(realpath "${SOSSTACK:-${CARGO_TARGET_DIR:-target}/release/sosstack}")
work=$(mktemp -d)
results=$work/results
mkdir "$results"
source benches/lib/figures.sh
source benches/lib/clients.sh

export XDG_DATA_HOME=$work/data SOSSTACK_STACK=bench-clients SOSSTACK_PORT_OFFSET=${SOSSTACK_PORT_OFFSET:-20000}
unset SOSSTACK_FILE SOSSTACK_OUTPUT SOSSTACK_CONTEXT
clean_up() {
    trap - EXIT
    "$sosstack" --quiet down --volumes --yes >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

"$sosstack" --quiet up --runtime process
eval "$("$sosstack" env)"
mosquitto=(-h "$MQTT_HOST" -p "$MQTT_PORT" -u "$MQTT_USERNAME" -P "$MQTT_PASSWORD")
make_data "$messages" >"$work/lines"
head -n "$mqtt_messages" "$work/lines" >"$work/mqtt-lines"

ours() { "$sosstack" --quiet "$@"; }
their_kcat() { kcat -b "$KAFKA_BROKERS" -q "$@"; }

# Each pair in turns, and who begins changes with the round.
pair() {
    local figure=$1
    if [ $((round % 2)) = 0 ]; then
        "ours_$figure"
        "peer_$figure"
    else
        "peer_$figure"
        "ours_$figure"
    fi
}

ours_produce() { timed ours produce ours pub location.realtime --lines <"$work/lines"; }
peer_produce() { timed peer produce their_kcat -P -t device.telemetry -X acks=all <"$work/lines"; }
# Each message once, as ours does.
peer_once() { timed peer once their_kcat -P -t device.telemetry -X acks=all -X enable.idempotence=true <"$work/lines"; }
ours_raw() { timed ours raw ours sub device.telemetry --from beginning --count "$messages" > >(cat >/dev/null); }
peer_raw() { timed peer raw their_kcat -C -t device.telemetry -o beginning -c "$messages" > >(cat >/dev/null); }
ours_json() { timed ours json ours sub device.telemetry --from beginning --count "$messages" -o json > >(cat >/dev/null); }
peer_json() { timed peer json their_kcat -C -t device.telemetry -o beginning -c "$messages" -J > >(cat >/dev/null); }
ours_one() { timed ours one ours sub location.geofence --from beginning --until now >/dev/null; }
peer_one() { timed peer one their_kcat -C -t location.geofence -o beginning -e >/dev/null; }
ours_qos0() { timed ours qos0 ours pub bench/q --lines --qos 0 <"$work/mqtt-lines"; }
peer_qos0() { timed peer qos0 mosquitto_pub "${mosquitto[@]}" -t bench/q -l -q 0 <"$work/mqtt-lines"; }
ours_qos1() { timed ours qos1 ours pub bench/q --lines --qos 1 <"$work/mqtt-lines"; }
peer_qos1() { timed peer qos1 mosquitto_pub "${mosquitto[@]}" -t bench/q -l -q 1 <"$work/mqtt-lines"; }
ours_receive() { receive ours ours sub bench/receive --count $((mqtt_messages + 1)); }
peer_receive() { receive peer mosquitto_sub "${mosquitto[@]}" -t bench/receive -q 2 -C $((mqtt_messages + 1)); }
first_line() { timed ours first first_line_of_tail; }
first_line_of_tail() { ours tail device.telemetry --last 1 | head -n 1 >/dev/null; }

# A subscriber that has begun when its first line is there, which is a retained message.
receive() {
    local contestant=$1
    shift
    : >"$work/received"
    timed "$contestant" receive "$@" >"$work/received" &
    local subscriber=$!
    until [ -s "$work/received" ]; do sleep 0.01; done
    ours pub bench/receive --lines --qos 1 <"$work/mqtt-lines"
    wait "$subscriber"
}

ours pub location.geofence one
ours pub bench/receive begin --retain
their_kcat -P -t device.telemetry -X acks=all <"$work/lines"
for ((round = 0; round <= rounds; round++)); do
    echo "bench: round $round of $rounds" >&2
    for figure in produce raw json one qos1 qos0 receive; do pair "$figure"; done
    peer_once
    first_line
    # The first warms the disk and the caches.
    [ "$round" -gt 0 ] || rm -f "$results"/*
done
for kind in wall cpu; do cp "$results/ours.produce.$kind" "$results/ours.once.$kind"; done
latency >"$work/latency"
peak_of_tail "$memory" >"$work/memory"

echo "Medians of $rounds rounds, $(getconf _NPROCESSORS_ONLN) cores shared with the brokers; $messages messages of 211 bytes, for MQTT $mqtt_messages."
echo
echo "| what | wall | CPU | peer | wall | CPU | ratio, wall | ratio, CPU |"
echo "|---|---|---|---|---|---|---|---|"
compare "\`sub\` Kafka to a pipe, raw" raw "kcat"
compare "\`sub -o json\`" json "kcat -J"
compare "one-message topic, read to its end" one "kcat -e"
compare "\`pub --lines\` Kafka, acks=all" produce "kcat -P"
compare "\`pub --lines\` Kafka, acks=all" once "kcat -P, idempotent"
compare "\`pub --lines\` MQTT, QoS 1" qos1 "mosquitto_pub -l"
compare "\`pub --lines\` MQTT, QoS 0" qos0 "mosquitto_pub -l"
compare "\`sub\` MQTT, QoS 1" receive "mosquitto_sub"
echo
echo "| what | figure |"
echo "|---|---|"
echo "| \`tail --last 1\`: first line after start | $(seconds "$(median ours first.wall)") s |"
echo "| \`tail\`: from a record's time to its line | $(cat "$work/latency") |"
echo "| \`tail --from beginning\`: memory over $memory messages | $(cat "$work/memory") |"
