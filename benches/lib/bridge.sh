# What is measured of the bridge. Sourced by bridge.sh, which sets what stands in capitals nowhere: `work`, `results`,
# `sosstack`, `messages`, `away`, `class_path`, and the stack's environment.
# shellcheck shell=bash
# shellcheck disable=SC2154

helper() { python3 benches/lib/bridge.py "$@"; }
quietly() { "$sosstack" --quiet "$@"; }

# Kafka's tools, which brokers do without: those of the version that runs.
fetch_tools() {
    local version
    version=$(basename "${class_path%/*}"/kafka-clients-*.jar .jar)
    mvn ${MVN_ARGS:-} -q org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -DoutputDirectory="$work/tools" \
        -Dartifact="org.apache.kafka:kafka-tools:${version#kafka-clients-}"
    class_path="$class_path:$work/tools/*"
}

# A bridge of the stack, subscribed; sets `bridge` and `metrics`.
start_bridge() {
    : >"$work/said"
    "$sosstack" bridge run --metrics 127.0.0.1:0 </dev/null >"$work/told" 2>"$work/said" &
    bridge=$!
    until_said subscribed "$work/said"
    metrics=$(sed -n 's/.*metrics and health on //p' "$work/said")
}

# Its session stays, and gathers messages.
end_bridge() {
    kill "$bridge"
    wait "$bridge"
    bridge=
}

until_said() {
    until grep -q "$1" "$2"; do sleep 0.01; done
}

# Notes messages a second as a sample of contestant $1.
note_rate() {
    echo "$2" >>"$results/$1.drain"
    printf '  %-10s %s/s\n' "$1" "$2" >&2
}

# What waits in Mosquitto, until Kafka has acknowledged the last of it.
drain() {
    quietly pub --envelope <"$work/envelopes"
    : >"$work/said"
    "$sosstack" bridge run --metrics 127.0.0.1:0 </dev/null >"$work/told" 2>"$work/said" &
    bridge=$!
    until_said 'metrics and health' "$work/said"
    metrics=$(sed -n 's/.*metrics and health on //p' "$work/said")
    note_rate bridge $((messages * 1000 / $(helper drained "$metrics" "$messages")))
    end_bridge
}

perf_test() {
    java -Xmx512M -cp "$class_path" org.apache.kafka.tools.ProducerPerformance --topic device.telemetry \
        --num-records "$messages" --record-size 200 --throughput -1 \
        --producer-props "bootstrap.servers=$KAFKA_BROKERS" acks=all >"$work/perf" 2>&1 || {
        cat "$work/perf" >&2
        return 1
    }
    if grep -iE 'error|exception|timed out' "$work/perf" >&2; then exit 1; fi
    note_rate perf-test "$(sed -n 's/^'"$messages"' records sent, \([0-9]*\).*/\1/p' "$work/perf" | tail -n 1)"
}

# $2 seconds of 2,000 messages a second on the way $1: through either broker alone, or from one to the other.
late_on() {
    local path=$1 from to
    case $path in
    mqtt) from=(bench/late --qos 1) to=(bench/late --qos 1) ;;
    kafka) from=(location.geofence -k bench) to=(location.geofence) ;;
    bridge) from=(geofence/bench/enter --qos 1) to=(location.geofence) ;;
    esac
    late_between "$path" 2000 "$2"
}

# $2 messages a second for $3 seconds, with what pub and sub are told in the caller's `from` and `to`: how late each is goes
# to figure $1.
late_between() {
    local reader
    : >"$work/listening"
    "$sosstack" sub "${to[@]}" --count $(($2 * $3)) 2>"$work/listening" > >(helper late "$results/late.$1") &
    reader=$!
    until_said 'listening to' "$work/listening"
    helper pace "$2" "$3" | quietly pub "${from[@]}" --lines
    wait "$reader"
}

# Four senders, and a press in the midst of it. Sets what the table tells of it.
kafka_away() {
    local senders=4 sender pids=() pressed
    start_bridge
    quietly stop kafka
    for ((sender = 0; sender < senders; sender++)); do
        helper numbered "$sender" $((away / senders)) |
            quietly pub "geofence/bench-$sender/exit" --lines --qos 1 --rate $((10000 / senders))/s &
        pids+=($!)
    done
    read -r arrived peaks <<<"$(helper await_journal "$metrics" "$away" "$bridge")"
    wait "${pids[@]}"
    quietly pub panic/panic-0001/press '{}' --qos 2
    helper press_after_outage "$metrics" "$KAFKA_BROKERS" >"$work/pressed" &
    pressed=$!
    quietly start kafka &
    pids=($!)
    wait "$pressed"
    replay=$(helper replayed "$metrics")
    wait "${pids[@]}"
    peak=$(helper peak "$bridge")
    end_bridge
    press=$(cat "$work/pressed")
    again=$(quietly sub location.geofence --from beginning --until now | helper order "$senders" $((away / senders)))
}

# $1: a figure's file. Its median and 99th percentile in milliseconds, as two words.
late_ms() { helper percentiles "$results/late.$1" | LC_ALL=C awk '{ printf("%.1f %.1f", $1 / 1000, $2 / 1000) }'; }

table() {
    local ours theirs ratio figures mqtt kafka through
    ours=$(median bridge drain) theirs=$(median perf-test drain)
    ratio=$(LC_ALL=C awk -v a="$ours" -v b="$theirs" 'BEGIN { printf("%.2f", a / b) }')
    read -ra mqtt <<<"$(late_ms mqtt)"
    read -ra kafka <<<"$(late_ms kafka)"
    read -ra through <<<"$(late_ms bridge)"
    figures=$(LC_ALL=C awk -v m="${mqtt[1]}" -v k="${kafka[1]}" 'BEGIN { printf("%.1f", 2 * (m + k)) }')
    echo "$(getconf _NPROCESSORS_ONLN) cores shared with the brokers, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)."
    echo
    echo "| what | figure | goal |"
    echo "|---|---|---|"
    echo "| drain of $messages queued messages of 200 B at QoS 1, median of $rounds | $ours/s; kafka-producer-perf-test $theirs/s: $ratio | ≥ 0.8 |"
    echo "| at 2,000/s, publish → consumer | p50 ${through[0]} ms, p99 ${through[1]} ms | p99 ≤ $figures ms |"
    echo "| the same through MQTT alone, Kafka alone | p50 ${mqtt[0]}, ${kafka[0]} ms; p99 ${mqtt[1]}, ${kafka[1]} ms | |"
    echo "| memory while $away messages arrive at $arrived/s and Kafka is away; after the replay | at most $((${peaks##*,} / 1024)) MiB, at a tenth of them $((${peaks%%,*} / 1024)) MiB; $((peak / 1024)) MiB | ≤ 60 MB, flat |"
    echo "| their replay, in order | ${replay} s; $again came twice | |"
    echo "| a press among them, after the topic took another producer's record | $press ms | ≤ 1,000 ms |"
}
