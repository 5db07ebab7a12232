#!/usr/bin/env bash
# What small heaps cost under load: Kafka's own producer-perf-test at full speed, acks=all, three replicas, against a
# stack with the laptop's heaps and one with 1 GiB for each broker, in turns. Prints a table on stdout.
#
#   benches/load.sh [--rounds N] [--records N]
#
# By default 2 rounds of 2,000,000 records of 1,000 and of 200 bytes. Needs a Docker daemon; the images are the stand-ins
# of tests/images unless SOSSTACK_FILE names a stack file.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=2
records=2000000
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2 ;;
    --records) records=$2 ;;
    *) sed -n '5,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    shift 2
done

sosstack=${SOSSTACK:-${CARGO_TARGET_DIR:-target}/release/sosstack}
work=$(mktemp -d)
export XDG_DATA_HOME=$work/data SOSSTACK_PORT_OFFSET=20000 SOSSTACK_STACK=bench-load SOSSTACK_RUNTIME=docker
file=${SOSSTACK_FILE:-tests/images/stack.yaml}
[ -n "${SOSSTACK_FILE:-}" ] || tests/images/build.sh
image=$("$sosstack" --file "$file" --output json config | sed -n 's/.*"image": "\(.*kafka.*\)".*/\1/p')
results=$work/results
mkdir "$results"
clean_up() {
    "$sosstack" --quiet --file "$file" down --volumes --yes || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# $1: name of the figure; $2: bytes of a record. Notes records a second; an error of the producer fails the bench.
produce() {
    local said
    said=$(docker run --rm --network sosstack-bench-load --entrypoint java "$image" -Xmx512M -cp '/opt/kafka/libs/*' \
        org.apache.kafka.tools.ProducerPerformance --topic load --num-records "$records" --record-size "$2" \
        --throughput -1 --producer-props bootstrap.servers=kafka-service:9092 acks=all 2>&1)
    if grep -iE 'error|exception|timed out' <<<"$said" >&2; then exit 1; fi
    sed -n 's/^'"$records"' records sent, \([0-9]*\).*/\1/p' <<<"$said" | tail -n 1 >>"$results/$1.$2"
    echo "  $1, $2 B: $(tail -n 1 "$results/$1.$2") records/s" >&2
}

# $1: heap of a broker, or nothing for the laptop's.
round() {
    local name=${1:-laptop} own=$work/sosstack.yaml
    sed "s/^kafka:/kafka:${1:+\n  heap: $1}/" "$file" >"$own"
    "$sosstack" --quiet --file "$own" up
    "$sosstack" --quiet --file "$own" topic create load --partitions 6
    [ "$name" != laptop ] || memory=$("$sosstack" --file "$own" --output json status | grep -o '"memory_bytes":[0-9]*' |
        cut -d: -f2 | paste -sd+ - | bc)
    produce "$name" 1000
    produce "$name" 200
    "$sosstack" --quiet --file "$own" down --volumes --yes
}

median() { sort -n "$results/$1" | awk '{ v[NR] = $1 } END { print int(NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }

for ((n = 1; n <= rounds; n++)); do
    echo "bench: round $n of $rounds" >&2
    # Who begins changes: what the first wrote is still on its way to the disk when the second begins.
    if ((n % 2)); then
        round ''
        round 1G
    else
        round 1G
        round ''
    fi
done
echo "Medians of $rounds rounds of $records records; idle memory of the laptop's stack: $((memory / 1048576)) MiB."
echo
echo "| kafka-producer-perf-test, acks=all, 3 replicas | laptop's heaps | 1 GiB heaps | ratio |"
echo "|---|---|---|---|"
for bytes in 1000 200; do
    small=$(median "laptop.$bytes") large=$(median "1G.$bytes")
    echo "| $bytes bytes | $small/s | $large/s | $(awk -v a="$small" -v b="$large" 'BEGIN { printf("%.2f", a / b) }') |"
done
