# Fetches the clients that are libraries, pinned, into target/interop; once. Sourced by run.sh, with $here and $root.
# shellcheck shell=bash disable=SC2154

prepared=${CARGO_TARGET_DIR:-$root/target}/interop

# $1: a name; $2: what it is made from; the rest: a command that fills the folder given to it as last argument.
# The folder gets its name only when it is complete, so that a killed or a simultaneous run does no harm.
prepare_once() {
    local name=$1 recipe=$2 making
    shift 2
    ready=$prepared/$name-$(cksum <"$recipe" | cut -d' ' -f1)
    [ ! -d "$ready" ] || return 0
    mkdir -p "$prepared"
    making=$(mktemp -d "$prepared/$name.XXXXXX")
    if ! "$@" "$making"; then
        rm -rf "$making"
        echo "$name could not be fetched from its registry"
        return 1
    fi
    mv -T "$making" "$ready" 2>/dev/null || rm -rf "$making"
}

fetch_paho() {
    python3 -m venv "$1/venv" &&
        "$1/venv/bin/python" -m pip install --quiet --no-deps --require-hashes \
            --requirement "$here/requirements.txt" --target "$1/site" &&
        rm -rf "$1/venv"
}

fetch_kafkajs() {
    cp "$here/package.json" "$here/package-lock.json" "$1/" &&
        (cd "$1" && npm ci --silent --no-audit --no-fund --ignore-scripts)
}

prepare_paho() {
    prepare_once paho "$here/requirements.txt" fetch_paho && export PYTHONPATH=$ready/site
}

prepare_kafkajs() {
    prepare_once kafkajs "$here/package-lock.json" fetch_kafkajs && export NODE_PATH=$ready/node_modules
}
