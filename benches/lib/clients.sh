# Data, times and figures of single processes. Sourced by clients.sh, which sets `results`, `work`, `sosstack`.
# shellcheck shell=bash

# $1 messages of 211 bytes, line feed included, as a device sends them.
make_data() {
    python3 - "$1" <<'PYTHON'
import json, sys
for n in range(int(sys.argv[1])):
    body = {"deviceId": "device-%05d" % (n % 5000), "seq": n, "lat": round(48.1 + n * 1e-7, 7), "battery": n % 100}
    text = json.dumps(body, separators=(",", ":"))
    print('%s,"note":"%s"}' % (text[:-1], "x" * (210 - len(text) - 10)))
PYTHON
}

# Runs the rest and notes wall and CPU time in milliseconds as samples of contestant $1's figure $2.
timed() {
    local contestant=$1 figure=$2 TIMEFORMAT='%R %U %S' taken
    shift 2
    exec 3>&1
    taken=$({ time "$@" >&3 2>"$work/stderr"; } 2>&1) || {
        cat "$work/stderr" >&2
        echo "bench: $contestant, $figure failed: $*" >&2
        exit 1
    }
    exec 3>&-
    LC_ALL=C awk '{ printf("%d\n", $1 * 1000) }' <<<"$taken" >>"$results/$contestant.$figure.wall"
    LC_ALL=C awk '{ printf("%d\n", ($2 + $3) * 1000) }' <<<"$taken" >>"$results/$contestant.$figure.cpu"
    printf '  %-6s %-10s %s\n' "$contestant" "$figure" "$taken" >&2
}

# One row: title, figure, the peer's name.
compare() {
    local title=$1 figure=$2 peer=$3 kind cells='' ratios=''
    local -A of
    for kind in wall cpu; do
        of[ours.$kind]=$(median ours "$figure.$kind")
        of[peer.$kind]=$(median peer "$figure.$kind")
        ratios="$ratios $(LC_ALL=C awk -v a="${of[peer.$kind]}" -v b="${of[ours.$kind]}" 'BEGIN { printf("%.2f", b ? a / b : 0) }') |"
    done
    cells="$(seconds "${of[ours.wall]}") s | $(seconds "${of[ours.cpu]}") s | $peer |"
    echo "| $title | $cells $(seconds "${of[peer.wall]}") s | $(seconds "${of[peer.cpu]}") s |$ratios"
}

# How long after its record's time a message is on the screen: half of them, 99 of 100.
latency() {
    "$sosstack" tail emergency.created --format '{utc}' --timeout 25s 2>"$work/listening" |
        python3 benches/lib/latency.py &
    local reader=$!
    until grep -q 'listening to' "$work/listening"; do sleep 0.01; done
    seq 1 1000 | "$sosstack" --quiet pub emergency.created --lines --rate 50/s
    wait "$reader"
}

# The largest resident memory of a tail over $1 messages of one topic with six partitions, and that half-way.
peak_of_tail() {
    local count=$1 tail half='' now
    seq 1 $((count / 10)) | "$sosstack" --quiet pub location.realtime --lines --repeat 10
    "$sosstack" --quiet tail location.realtime --from beginning --format '{offset}' > >(head -n "$count" | wc -l >"$work/told") &
    tail=$!
    local peaks=()
    while now=$(awk '/VmHWM/ { print $2 }' "/proc/$tail/status" 2>/dev/null) && [ -n "$now" ]; do
        peaks+=("$now")
        sleep 0.2
    done
    wait "$tail"
    half=${peaks[$((${#peaks[@]} / 2))]}
    echo "$((half / 1024)) MiB half-way, $((peaks[-1] / 1024)) MiB at the end"
}
