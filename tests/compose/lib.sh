# How the checks speak to the stack. Sourced by run.sh, which sets what is not set here.
# shellcheck shell=bash
# shellcheck disable=SC2154

fail() {
    echo "not ok $1: $2" >&2
    compose ps --all --format '{{.Service}}: {{.Status}}' >&2 || true
    exit 1
}

export_stack() {
    "$sosstack" --quiet --file "$work/sosstack.yaml" --stack "$project" export compose \
        --port-offset "$offset" --out "$work/compose" "$@"
}
compose() { (cd "$work/compose" && "$compose_program" --progress quiet "$@"); }
try_up() { (cd "$work/compose" && timeout 300 "$compose_program" --progress quiet "$@" up --wait 2>"$work/up.err"); }
up() {
    try_up "$@" && return
    cat "$work/up.err" >&2
    compose logs --tail 15 >&2
    fail "${FUNCNAME[1]#check_}" "up --wait failed"
}
# sosstack's own image, as make image builds it, with what was built already instead of a compiler.
build_own_image() {
    local below recipe=$work/image
    below=$(compose config --images | grep -m 1 mosquitto)
    own_image=compose-test/sosstack:own
    mkdir -p "$recipe"
    cp tests/images/sosstack/* "$recipe/"
    cp "$sosstack" "$recipe/sosstack"
    # Where registries can be reached, its base is the one that users get.
    local target targets=builder arguments=
    [ -z "$test_stack_file" ] || targets="builder base"
    for target in $targets; do
        docker build --quiet --target "$target" --tag "$own_image-$target" --build-arg "BASE=$below" \
            --build-arg "MARK=$project" "$recipe" >/dev/null 2>&1 || fail image "no stand-in for the $target"
        arguments="$arguments --build-arg ${target^^}=$own_image-$target"
    done
    DOCKER_BUILDKIT=0 make --silent image IMAGE="$own_image" ARGS="--quiet $arguments" >/dev/null 2>&1 ||
        fail image "sosstack's own image cannot be built"
}
# Until a record of topic $1 holds $2.
await_record() {
    local tries=0
    until consume "$brokers" "$1" | has -F "$2"; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || fail bridge "$2 does not come to $1"
        sleep 0.5
    done
}

container() { compose --profile "*" ps --all --quiet "$1"; }

# Reads to the end, unlike grep -q: a writer whose reader has gone fails the whole pipe.
has() { grep "$@" >/dev/null; }

password_of() { compose run --rm -T credentials show "$1" 2>/dev/null; }

# Options with a password go by a file: command lines are seen by others. $1: user, $2: password.
login() {
    mkdir -p "$work/options"
    printf -- '-h 127.0.0.1\n-p %s\n-u %s\n-P %s\n' "$mqtt_port" "$1" "$2" >"$work/options/mosquitto_pub"
    cp "$work/options/mosquitto_pub" "$work/options/mosquitto_sub"
    cp "$work/options/mosquitto_pub" "$work/options/mosquitto_rr"
}
mqtt() { XDG_CONFIG_HOME=$work/options timeout 30 "$@"; }
login_works() { mqtt mosquitto_pub -q 1 -t "device/$1/status" -m ok >/dev/null 2>&1; }

# $1: brokers, $2: topic, $3: message, $4: milliseconds until it is given up.
produce() { timeout 60 kcat -q -b "$1" -P -t "$2" -X acks=all -X "message.timeout.ms=${4:-30000}" <<<"$3"; }
consume() { timeout 60 kcat -q -b "$1" -C -t "$2" -o beginning -e; }
