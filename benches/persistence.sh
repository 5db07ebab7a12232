#!/usr/bin/env bash
# What it costs Mosquitto to keep messages: the same publishing against three ways of persistence, in turns. Prints a
# table on stdout.
#
#   benches/persistence.sh [--rounds N] [--messages N]
#
# By default 3 rounds of 20,000 messages at QoS 1, once to a subscriber that listens and once to one that is away, whose
# messages are queued. Starts Mosquittos of its own on port 21883 of 127.0.0.1; needs mosquitto and its clients.
set -euo pipefail

rounds=3
messages=20000
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2 ;;
    --messages) messages=$2 ;;
    *) sed -n '5,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    shift 2
done
port=21883
work=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || { kill "$server" && wait "$server" || true; }
    server=
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
PATH=$PATH:/usr/sbin

# $1: the way of persistence.
start() {
    rm -rf "$work/data"
    mkdir "$work/data"
    {
        printf 'listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\nmax_inflight_messages 20\nuser %s\n' \
            "$port" "$(id -un)"
        case $1 in
        none) echo 'persistence false' ;;
        second) printf 'persistence true\npersistence_location %s/\nautosave_interval 1\n' "$work/data" ;;
        change) printf 'persistence true\npersistence_location %s/\nautosave_on_changes true\nautosave_interval 1\n' "$work/data" ;;
        esac
    } >"$work/mosquitto.conf"
    mosquitto -c "$work/mosquitto.conf" >"$work/log" 2>&1 &
    server=$!
    until mosquitto_pub -p "$port" -t ready -n 2>/dev/null; do kill -0 "$server"; done
}

now() { echo "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

# Mosquitto's own client loses lines of a longer input at QoS 1, so in parts, each waited for.
publish() {
    local left=$messages
    while [ "$left" -gt 0 ]; do
        seq 1000 | mosquitto_pub -p "$port" -q 1 -t load -l
        left=$((left - 1000))
    done
}

# Notes messages a second of way $1 for figure $2.
note() { echo $((messages * 1000 / ($(now) - $3 + 1))) >>"$work/$1.$2"; }

listening() {
    local begun subscriber
    start "$1"
    mosquitto_sub -p "$port" -q 1 -t load -C "$messages" >/dev/null &
    subscriber=$!
    until mosquitto_sub -p "$port" -t '$SYS/broker/subscriptions/count' -C 1 -W 5 >/dev/null; do :; done
    begun=$(now)
    publish
    note "$1" listening "$begun"
    kill "$subscriber" 2>/dev/null || true
    wait "$subscriber" 2>/dev/null || true
    stop
}

away() {
    local begun
    start "$1"
    mosquitto_sub -p "$port" -c -i absent -q 1 -t load -E
    begun=$(now)
    publish
    note "$1" away "$begun"
    stop
}

median() { sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print int(NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }

for ((n = 1; n <= rounds; n++)); do
    echo "bench: round $n of $rounds" >&2
    for way in none second change; do listening "$way" && away "$way"; done
done
echo "Medians of $rounds rounds of $messages messages at QoS 1; $(mosquitto -h | head -n 1)."
echo
echo "| kept | to a subscriber that listens | queued for one that is away |"
echo "|---|---|---|"
echo "| nothing | $(median none.listening)/s | $(median none.away)/s |"
echo "| every second (sosstack) | $(median second.listening)/s | $(median second.away)/s |"
echo "| at every change | $(median change.listening)/s | $(median change.away)/s |"
