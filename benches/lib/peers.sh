# The bridges that are compared, each by the same few verbs. Sourced by bridge-peers.sh after bridge.sh, which sets what
# stands in capitals nowhere: `work`, `results`, `sosstack`, `root`, `messages`, `rounds`, `seconds`, `kills`, `rates`, `faster`, and
# the stack's environment.
# shellcheck shell=bash
# shellcheck disable=SC2154

contenders=(bridge telegraf batched node)
# What each says when it is connected to Mosquitto.
declare -A connected=([bridge]=subscribed [telegraf]=Connected [batched]=connected [node]=connected)
telegraf_version=v1.37.2
# What sosstack's own routes say: a Kafka topic and the filters that go there. The key is the filters' second level.
# Telegraf connects in this order: that of the topic that is drained is the first.
routes='device.telemetry device/+/status device/+/telemetry wearable/+/heartrate wearable/+/activity panic/+/battery
device.alerts device/+/alert wearable/+/fall
emergency.created panic/+/press emergency/+/trigger
location.realtime device/+/location
location.geofence geofence/+/+'

hand() { python3 benches/lib/peers.py "$@"; }

# Telegraf with the two plugins and the two formats alone, from its module; once.
fetch_telegraf() {
    local peers=${CARGO_TARGET_DIR:-$root/target}/peers
    telegraf=$peers/telegraf-$telegraf_version/telegraf
    [ ! -x "$telegraf" ] || return 0
    echo "bench: building Telegraf $telegraf_version, once" >&2
    CGO_ENABLED=0 GOFLAGS= GOBIN=$peers/telegraf-$telegraf_version go install -trimpath \
        -tags custom,inputs.mqtt_consumer,outputs.kafka,parsers.value,serializers.template \
        "github.com/influxdata/telegraf/cmd/telegraf@$telegraf_version"
}

# The password stays in files of this user.
configure_peers() {
    local topic filters filter
    export ROUTES=$routes MQTT_USERNAME=sos_bridge KAFKA_BROKERS
    MQTT_PASSWORD=$("$sosstack" device show sos_bridge --password)
    export MQTT_PASSWORD
    sed "s/@brokers@/\"${KAFKA_BROKERS//,/\", \"}\"/" benches/lib/telegraf.conf >"$work/telegraf.conf"
    while read -r topic filters; do
        printf '[[inputs.mqtt_consumer]]\n  servers = ["tcp://%s"]\n' "$MQTT_HOST:$MQTT_PORT"
        printf '  username = "${MQTT_USERNAME}"\n  password = "${MQTT_PASSWORD}"\n'
        printf '  client_id = "bench-telegraf-%s"\n  persistent_session = true\n  qos = 1\n' "$topic"
        # As many as Mosquitto sends it before it acknowledges any.
        printf '  max_undelivered_messages = 5000\n  topic_tag = ""\n'
        printf '  data_format = "value"\n  data_type = "string"\n'
        printf '  topics = ["%s"]\n' "${filters// /\", \"}"
        printf '  [inputs.mqtt_consumer.tags]\n    kafka = "%s"\n' "$topic"
        for filter in $filters; do
            printf '  [[inputs.mqtt_consumer.topic_parsing]]\n    topic = "%s"\n' "$filter"
            # A level a word, and the second one is the device.
            printf '    tags = "%s"\n' "$(awk -F/ '{ printf "_/device"; for (i = 3; i <= NF; i++) printf "/_" }' <<<"$filter")"
        done
    done <<<"$routes" >>"$work/telegraf.conf"
}

# Starts contender $1; sets `bridge`, also in the file `pid`, and `said`, where it says that it is connected. The file is
# there before it says so: it is started by the process whose id that is.
begin() {
    said=$work/said.$1
    : >"$said"
    start "$1" </dev/null >>"$said" 2>&1 &
    bridge=$!
}

start() {
    echo "$BASHPID" >"$work/pid"
    case $1 in
    bridge) exec "$sosstack" bridge run --journal "$work/journal" ;;
    telegraf) exec "$telegraf" --config "$work/telegraf.conf" ;;
    batched) BATCH=10 exec node benches/lib/node_bridge.js ;;
    node) exec node benches/lib/node_bridge.js ;;
    esac
}

# Ends it in order; its session stays, and gathers messages.
finish() {
    kill "$bridge"
    wait "$bridge" || true
    bridge=
}

# Until a message to the last of the routes is in Kafka: then the contender is subscribed to all of them.
until_ready() {
    local before
    before=$(hand end "$KAFKA_BROKERS" location.geofence)
    until [ "$(hand end "$KAFKA_BROKERS" location.geofence)" -gt "$before" ]; do
        quietly pub geofence/bench/enter '{}' --qos 1
        sleep 0.3
    done
}

# Takes contender $1's session away, so that Mosquitto gathers nothing for it while others are measured.
forget() {
    local client
    for client in $(clients_of "$1"); do
        hand forget "$MQTT_HOST:$MQTT_PORT" sos_bridge "$client" <<<"$MQTT_PASSWORD"
    done
}

clients_of() {
    case $1 in
    bridge) sed -n 's/.*"client_id": *"\([^"]*\)".*/\1/p' "$work/journal/session.json" ;;
    telegraf) sed -n 's/.*client_id = "\(.*\)"/\1/p' "$work/telegraf.conf" ;;
    *) echo "bench-$1" ;;
    esac
}

# $3 messages wait in Mosquitto for contender $1, until a reader of Kafka can have the last of them: a sample of figure $2.
drain_of() {
    local since figures watch
    begin "$1"
    until_ready
    finish
    head -n "$3" "$work/envelopes" | quietly pub --envelope
    since=$(now)
    : >"$said"
    hand drained "$KAFKA_BROKERS" device.telemetry "$3" "$work/pid" "$said" "${connected[$1]}" \
        >"$work/drained" 2>"$work/watching" &
    watch=$!
    until_said watching "$work/watching"
    begin "$1"
    if wait "$watch"; then
        read -ra figures <"$work/drained"
        note_rate "$2" "${figures[0]}"
        echo "${figures[0]}" >>"$results/$2.rounds"
        echo "${figures[1]}" >>"$results/$2.cpu"
        echo $((figures[2] - $3)) >>"$results/$2.again"
    else
        echo - | tee -a "$results/$2.stuck" >>"$results/$2.rounds"
        grep -v 'did not complete within its flush interval' "$said" "$work/watching" | tail -n 20 >&2
    fi
    finish
    forget "$1"
    # Of one that stuck, whether it brought the rest when it was ended is told; of any other, that some are missing is an error.
    if "$sosstack" sub device.telemetry --from "$since" --until now 2>"$work/listening" | hand all_there "$3"; then
        [ "$(tail -n 1 "$results/$2.rounds")" != - ] || echo "bench: all were in Kafka once it had ended" >&2
    else
        [ "$(tail -n 1 "$results/$2.rounds")" = - ]
    fi
}

# A program that sends message by message gets a fifth of them: the rate is the same, and it takes long enough.
share_of() { if [ "$1" = node ]; then echo $((messages / 5)); else echo "$messages"; fi; }

# $2… messages a second, $seconds long each: how late they are through contender $1, as samples named after contender and rate.
late_of() {
    local contender=$1 rate from=(geofence/bench/enter --qos 1) to=(location.geofence)
    shift
    begin "$contender"
    until_ready
    late_between warm "$1" 2
    for rate in "$@"; do late_between "$contender.$rate" "$rate" "$seconds"; done
    finish
    forget "$contender"
}

# Starts contender $1 again whenever it has ended, as a service manager does; sets `supervisor`.
supervise() {
    rm -f "$work/over"
    while [ ! -e "$work/over" ]; do
        begin "$1"
        wait "$bridge" || true
        sleep 0.1
    done 2>/dev/null &
    supervisor=$!
}

kill_bridge() { kill -KILL "$(cat "$work/pid")" 2>/dev/null || true; }

# The bridge, at moments that are the same for each contender.
kill_often() {
    local one
    RANDOM=13
    for ((one = 0; one < kills; one++)); do
        sleep "$((RANDOM % 3 + 1)).$((RANDOM % 10))"
        kill_bridge
    done
}

# All brokers at once for ten seconds, and in the midst of it the bridge.
kill_kafka() {
    sleep 5
    # shellcheck disable=SC2046  # a word a process
    kill -KILL $("$sosstack" --output json status | hand handles kafka)
    sleep 5
    kill_bridge
    sleep 5
    quietly start kafka
    sleep 5
}

# Contender $1 while 300 devices publish and $2 kills; what the ledger says of it goes to figure $2.
under() {
    local devices
    echo "bench: $2, $1" >&2
    supervise "$1"
    until_ready
    rm -f "$work/ledger"
    "$sosstack" --quiet simulate --devices 300 --rate 2000/s --scenario burst --seed 7 \
        --duration "$((kills * 3 + 5))s" --ledger "$work/ledger" >"$work/simulated" 2>&1 &
    devices=$!
    until [ -s "$work/ledger" ]; do sleep 0.1; done
    "$2"
    wait "$devices" || cat "$work/simulated" >&2
    "$sosstack" --output json ledger verify "$work/ledger" >"$work/verdict" 2>>"$work/simulated" || true
    hand verdict "$work/verdict" | tee "$results/$1.$2" >&2
    touch "$work/over"
    kill "$(cat "$work/pid")"
    wait "$supervisor"
    forget "$1"
}

# The median, over the rounds that both finished, of what contender $1 did more than contender $2.
ratio() {
    paste "$results/$1.rounds" "$results/$2.rounds" |
        LC_ALL=C awk '$1 != "-" && $2 != "-" { print int(100 * $1 / $2) }' >"$results/ratio.drain"
    LC_ALL=C awk -v hundred="$(median ratio drain)" 'BEGIN { printf(hundred < 1000 ? "%.1f" : "%.0f", hundred / 100) }'
}

# A row: its title, and what the rest prints for each contender.
row_of() {
    local title=$1 contender cells=
    shift
    for contender in "${contenders[@]}"; do cells="$cells $("$@" "$contender") |"; done
    echo "| $title |$cells"
}

drain_cell() {
    echo "$(median "$1" drain)/s$([ ! -e "$results/$1.stuck" ] || echo "; not done within 90 s in $(wc -l <"$results/$1.stuck") of $rounds")"
}
ratio_cell() { if [ "$1" = bridge ]; then echo 1; else ratio bridge "$1"; fi; }
cpu_cell() { LC_ALL=C sort -n "$results/$1.cpu" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] " µs" }'; }
again_cell() { median "$1" again; }
late_cell() { if [ -e "$results/late.$2.$1" ]; then hand spread "$results/late.$2.$1" | sed "s/ /, /g"; else echo –; fi; }
kill_cell() { awk '{ print $2 ", " $3 ", " $4 "; " $5 }' "$results/$2.$1"; }
promised() { awk '{ print $1 }' "$results/bridge.$1"; }

table_of_peers() {
    local rate
    echo "$(getconf _NPROCESSORS_ONLN) cores shared with the brokers, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)."
    echo
    echo "| | sosstack bridge | Telegraf ${telegraf_version#v} | Node, batched | Node |"
    echo "|---|---|---|---|---|"
    row_of "drain of $messages messages of 200 B at QoS 1 (Node: $(share_of node)), median of $rounds" drain_cell
    row_of "ours : theirs, median of the rounds' ratios" ratio_cell
    row_of "CPU a message, the same drain" cpu_cell
    row_of "records that came twice in it, nobody killed" again_cell
    for rate in "${rates[@]}" "${faster[@]}"; do
        row_of "publish → consumer at $rate/s: p50, p99, max in ms" late_cell "$rate"
    done
    row_of "bridge killed $kills times: lost, doubled, out of order of $(promised kill_often) at QoS 1 and 2; lost at QoS 0" \
        kill_cell kill_often
    row_of "Kafka killed for 10 s, and the bridge meanwhile: the same of $(promised kill_kafka)" kill_cell kill_kafka
    echo
    echo "Telegraf's drain with Mosquitto's default of 20 messages in flight: $(drain_cell default)."
}
