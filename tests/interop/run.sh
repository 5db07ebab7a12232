#!/usr/bin/env bash
# Other people's clients against a running stack, with nothing but what `sosstack env` exports:
#
#   eval "$(sosstack env)" && tests/interop/run.sh [CHECK…]
#
# Prints `ok NAME` or `not ok NAME: reason`, one a line; exit status 1 when one failed. The device check also reads
# DEVICE_ID and DEVICE_PASSWORD and fails without them:
#
#   export DEVICE_ID=device-12345 DEVICE_PASSWORD="$(sosstack device show device-12345 --password)"
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
source "$here/lib/prepare.sh"

for name in KAFKA_BROKERS ZOOKEEPER_CONNECT MQTT_URL MQTTS_URL MQTT_WS_URL MQTT_HOST MQTT_PORT MQTT_USERNAME \
    MQTT_PASSWORD MQTT_CA_FILE; do
    if [ -z "${!name:-}" ]; then
        echo "$name is not set: eval \"\$(sosstack env)\" first" >&2
        exit 2
    fi
done

# Beside them, where `sosstack bridge run` runs: node-bridge.
all=(kcat zookeeper-words mosquitto-tcp mosquitto-tls paho-websocket kafkajs device)
# Seconds for one check; each takes less than ten on an idle machine.
deadline=60

run() {
    case $1 in
    kcat) set -- "$here/checks/kcat.sh" ;;
    zookeeper-words) set -- "$here/checks/zookeeper_words.sh" ;;
    mosquitto-tcp) set -- "$here/checks/mosquitto.sh" "$MQTT_URL" ;;
    mosquitto-tls) set -- "$here/checks/mosquitto.sh" "$MQTTS_URL" ;;
    paho-websocket) prepare_paho && set -- python3 "$here/checks/websocket.py" ;;
    kafkajs) prepare_kafkajs && set -- node "$here/checks/kafkajs.js" ;;
    node-bridge) prepare_kafkajs && set -- node "$here/checks/node_bridge.js" ;;
    device) prepare_paho && set -- python3 "$here/checks/device.py" ;;
    *) echo "no such check; there are: ${all[*]} node-bridge" && false ;;
    esac && timeout --kill-after=5 "$deadline" "$@"
}

# Runs one check; the last line that it wrote is the reason why it failed.
check() {
    local reason status=0 log=$scratch/$1.log
    (run "$1") >"$log" 2>&1 || status=$?
    if [ "$status" = 0 ]; then
        echo "ok $1"
        return
    fi
    reason=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1)
    [ "$status" != 124 ] || reason="no end within $deadline s${reason:+; its last line: $reason}"
    echo "not ok $1: ${reason:-exit status $status}"
    sed 's/^/    /' "$log" >&2
    return 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
[ $# -gt 0 ] || set -- "${all[@]}"
for name in "$@"; do
    check "$name" || failed=1
done
exit "$failed"
