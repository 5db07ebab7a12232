# Times, medians and the table. Sourced by up.sh, which sets `results`: one file a figure and contestant, a time in
# milliseconds a line.
# shellcheck shell=bash

# Runs the rest and notes how long it took as a sample of contestant $1's figure $2. What it printed is shown if it fails.
measure() {
    local contestant=$1 figure=$2 begun ended
    shift 2
    begun=$(now)
    "$@" >"$results/output" 2>&1 || {
        cat "$results/output" >&2
        echo "bench: $contestant, $figure failed: $*" >&2
        return 1
    }
    ended=$(now)
    echo $((ended - begun)) >>"$results/$contestant.$figure"
    printf '  %-18s %-12s %s s\n' "$contestant" "$figure" "$(seconds $((ended - begun)))" >&2
}

# Milliseconds since the epoch. EPOCHREALTIME is bash 5's; its separator follows the locale.
now() {
    local time=${EPOCHREALTIME/[.,]/}
    echo $((time / 1000))
}

# $1 milliseconds, as people read them.
seconds() { LC_ALL=C awk -v ms="$1" 'BEGIN { printf(ms < 9995 ? "%.2f" : "%.1f", ms / 1000) }'; }

# The median of contestant $1's figure $2, in milliseconds; nothing where there is no sample.
median() {
    [ -s "$results/$1.$2" ] || return 0
    sort -n "$results/$1.$2" | awk '{ v[NR] = $1 } END { print int(NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'
}

# One row: what the figure is called, its name, then contestants; the last one is what the first is divided by.
row() {
    local title=$1 figure=$2 contestant value first='' last='' cells=''
    shift 2
    for contestant in "$@"; do
        value=$(median "$contestant" "$figure")
        first=${first:-$value}
        last=$value
        if [ -n "$value" ]; then cells="$cells $(seconds "$value") s |"; else cells="$cells – |"; fi
    done
    if [ -n "$first" ] && [ -n "$last" ]; then
        cells="$cells $(LC_ALL=C awk -v a="$first" -v b="$last" 'BEGIN { printf("%.2f", b ? a / b : 0) }') |"
    else
        cells="$cells – |"
    fi
    echo "| $title |$cells"
}
