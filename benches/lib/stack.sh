# A stack of plain processes for one benchmark. Sourced by bridge.sh and bridge-peers.sh.
# shellcheck shell=bash

# Programs that have to be there.
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || {
            echo "bench: $program is missing" >&2
            exit 1
        }
    done
}

# Brings up a stack of the name $1 in a folder of its own, by the stack file $2 if there is one; it goes with the script, and
# the process in `bridge` does. Sets `sosstack`, `work` and `results`, and takes over the stack's environment.
own_stack() {
    sosstack=$(realpath "${SOSSTACK:-${CARGO_TARGET_DIR:-target}/release/sosstack}")
    work=$(mktemp -d)
    results=$work/results
    mkdir "$results"
    bridge=
    export XDG_DATA_HOME=$work/data SOSSTACK_STACK=$1 SOSSTACK_PORT_OFFSET=${SOSSTACK_PORT_OFFSET:-20000}
    unset SOSSTACK_OUTPUT SOSSTACK_CONTEXT
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    with_stack_file "${2:-/dev/null}"
    eval "$("$sosstack" env)"
}

# The stack as the file $1 says.
with_stack_file() {
    export SOSSTACK_FILE=$1
    "$sosstack" --quiet up --runtime process
}

clean_up() {
    trap - EXIT
    [ -z "$bridge" ] || kill "$bridge" 2>/dev/null || true
    "$sosstack" --quiet down --volumes --yes >/dev/null 2>&1 || true
    rm -rf "$work"
}
