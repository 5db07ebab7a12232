#!/usr/bin/env bash
# Runs a broker, and starts it again when it ends by itself.
#
# A broker that was killed and is back within six seconds finds its old session still in ZooKeeper, and ends. A
# container that ends, or is restarted by Docker, counts as unhealthy, and fails `docker compose up --wait`; this one
# stays. After five times it gives up, and Docker's restart policy goes on.
stopping=
broker=
# shellcheck disable=SC2317  # the trap calls it
stop() {
    stopping=yes
    kill -TERM "$broker" 2>/dev/null
}
trap stop TERM INT

for attempt in 1 2 3 4 5; do
    "$@" &
    broker=$!
    # A signal ends the wait, not the broker.
    while :; do
        wait "$broker"
        code=$?
        kill -0 "$broker" 2>/dev/null || break
    done
    [ -z "$stopping" ] || break
    echo "broker.sh: the broker ended with exit status $code; attempt $attempt of 5" >&2
    sleep 1
done
exit "$code"
