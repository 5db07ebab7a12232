#!/usr/bin/env bash
# What it costs Mosquitto to keep messages, and what a kill loses: the same publishing against each way of persistence,
# in turns. Prints a table on stdout.
#
#   benches/persistence.sh [--rounds N] [--messages N] [--queued N] [--mosquitto PROGRAM] [--plugin FILE]
#
# By default 3 rounds of 20,000 messages at QoS 1, once to a subscriber that listens and once to one that is away, whose
# messages are queued; then, once a way, 100,000 are queued, the server is killed as the last one is acknowledged
# (kill -9), and those that are left are counted. SQLite is measured where --plugin says where its plugin is. Saving at
# every change is left out of the second part: it would take hours. Starts Mosquittos of its own on port 21883 of
# 127.0.0.1; needs mosquitto and its clients.
set -euo pipefail

rounds=3
messages=20000
queued=100000
mosquitto=mosquitto
plugin=
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2 ;;
    --messages) messages=$2 ;;
    --queued) queued=$2 ;;
    --mosquitto) mosquitto=$2 ;;
    --plugin) plugin=$2 ;;
    *) sed -n '5,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
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

ways="none second change${plugin:+ sqlite}"

# $1: the way of persistence. Begins with nothing.
start() {
    rm -rf "$work/data"
    mkdir "$work/data"
    start_again "$1"
}

# The same on what is there.
start_again() {
    {
        printf 'listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 200000\nmax_inflight_messages 20\nuser %s\n' \
            "$port" "$(id -un)"
        case $1 in
        none) echo 'persistence false' ;;
        second) printf 'persistence true\npersistence_location %s/\nautosave_interval 1\n' "$work/data" ;;
        change) printf 'persistence true\npersistence_location %s/\nautosave_on_changes true\nautosave_interval 1\n' "$work/data" ;;
        sqlite)
            printf 'persistence_location %s/\nglobal_plugin %s\nplugin_opt_flush_period 0\nplugin_opt_sync full\n' \
                "$work/data" "$plugin"
            ;;
        esac
    } >"$work/mosquitto.conf"
    "$mosquitto" -c "$work/mosquitto.conf" >"$work/log" 2>&1 &
    server=$!
    until mosquitto_pub -p "$port" -t ready -n 2>/dev/null; do kill -0 "$server"; done
}

now() { echo "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

# $1 messages. Mosquitto's own client loses lines of a longer input at QoS 1, so in parts, each waited for.
publish() {
    local left=$1
    while [ "$left" -gt 0 ]; do
        seq $((left - 999)) "$left" | mosquitto_pub -p "$port" -q 1 -t load -l
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
    publish "$messages"
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
    publish "$messages"
    note "$1" away "$begun"
    stop
}

# What is left of a long queue, and how long it took to queue it, in seconds.
killed() {
    local begun
    start "$1"
    mosquitto_sub -p "$port" -c -i absent -q 1 -t load -E
    begun=$(now)
    publish "$queued"
    echo "$((($(now) - begun) / 1000))" >"$work/$1.seconds"
    kill -9 "$server"
    wait "$server" 2>/dev/null || true
    start_again "$1"
    take
    { grep -vx end "$work/taken" || true; } | sort -u | wc -l >"$work/$1.left"
    stop
}

# Everything that waits, into a file. What is sent last comes last.
take() {
    local reader
    : >"$work/taken"
    stdbuf -oL mosquitto_sub -p "$port" -c -i absent -q 1 -t load >"$work/taken" &
    reader=$!
    until grep -qx end "$work/taken"; do
        mosquitto_pub -p "$port" -q 1 -t load -m end
        sleep 0.5
    done
    kill "$reader"
    wait "$reader" 2>/dev/null || true
}

median() { sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print int(NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }

for ((n = 1; n <= rounds; n++)); do
    echo "bench: round $n of $rounds" >&2
    for way in $ways; do listening "$way" && away "$way"; done
done
for way in $ways; do
    [ "$way" = change ] || { echo "bench: killing $way" >&2 && killed "$way"; }
done

# A row of way $1, called $2.
row() {
    local left=not\ tried
    [ ! -e "$work/$1.left" ] || left="$(cat "$work/$1.left") (queued in $(cat "$work/$1.seconds") s)"
    echo "| $2 | $(median "$1.listening")/s | $(median "$1.away")/s | $left |"
}
echo "Medians of $rounds rounds of $messages messages at QoS 1; $("$mosquitto" -h 2>/dev/null | head -n 1)."
echo
echo "| kept | to a subscriber that listens | queued for one that is away | left of $queued after kill -9 |"
echo "|---|---|---|---|"
row none nothing
row second 'file, every second (sosstack before 2.1)'
row change 'file, at every change'
[ -z "$plugin" ] || row sqlite 'SQLite, before each acknowledgement (sosstack from 2.1 on)'
