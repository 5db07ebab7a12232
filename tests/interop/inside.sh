#!/usr/bin/env bash
# Containers on a stack's network, with production's names: what `sosstack env --inside` exports, and the short names
# that applications in the cluster's namespace use.
#
#   tests/interop/inside.sh NETWORK KAFKA_IMAGE MOSQUITTO_IMAGE
#
# Runs the clients that the stack's own images carry, so nothing is installed or pulled. Prints `ok NAME` a line.
set -euo pipefail

network=$1 kafka_image=$2 mosquitto_image=$3
container_name=
fail() {
    echo "not ok $1: $2"
    exit 1
}

# $1: image; then a command whose stdin is ours. Hidden from others: nothing of it is in the container's description.
run_inside() {
    local image=$1
    shift
    timeout 60 docker run --rm --interactive ${container_name:+--name "$container_name"} --network "$network" \
        --entrypoint "$1" "$image" "${@:2}"
}
java_inside() { run_inside "$kafka_image" java -Xmx128M -cp '/opt/kafka/libs/*' "$@"; }

# Every node's own name, and the service's, lead to the ensemble; Kafka lives below its chroot.
for servers in "$ZOOKEEPER_CONNECT" zookeeper-service:2181; do
    ids=$(java_inside org.apache.zookeeper.ZooKeeperMain -server "$servers" ls /kafka/brokers/ids 2>/dev/null </dev/null |
        grep '^\[[0-9]') || fail zookeeper "no answer from $servers"
    [ "$ids" = "[0, 1, 2]" ] || fail zookeeper "$servers names brokers $ids"
done
echo "ok zookeeper-inside"

# Brokers advertise names that resolve here: producing and consuming goes to all of them. In by one name, out by the
# other. The consumer would go on, so it ends with its container as soon as the message has come.
payload=inside-$RANDOM-$(date +%s%N)
java_inside kafka.tools.ConsoleProducer --bootstrap-server kafka-service:9092 --topic audit.changes \
    --producer-property acks=all <<<"$payload" >/dev/null 2>&1 || fail kafka "producing to kafka-service:9092"
consumer=$network-consumer-$$
container_name=$consumer
grep -qxF -m 1 -- "$payload" < <(java_inside org.apache.kafka.tools.consumer.ConsoleConsumer \
    --bootstrap-server "$KAFKA_BROKERS" --topic audit.changes --from-beginning </dev/null 2>/dev/null) ||
    fail kafka "sent $payload by kafka-service:9092, but it does not come from $KAFKA_BROKERS"
docker rm --force "$consumer" >/dev/null
container_name=
echo "ok kafka-inside"

# A retained message waits for its reader, so neither has to be the first. The options come by stdin and a file.
mqtt_inside() {
    local host=$1 payload=$2
    shift 2
    printf -- '-h %s\n-u %s\n-P %s\n' "$host" "$MQTT_USERNAME" "$MQTT_PASSWORD" |
        run_inside "$mosquitto_image" sh -c '
            set -e
            payload=$1; shift
            export XDG_CONFIG_HOME=/tmp/options
            mkdir -p "$XDG_CONFIG_HOME" && cat >"$XDG_CONFIG_HOME/mosquitto_pub" && cp "$XDG_CONFIG_HOME/mosquitto_pub" "$XDG_CONFIG_HOME/mosquitto_sub"
            mosquitto_pub "$@" -q 1 -r -t device/inside/config -m "$payload"
            mosquitto_sub "$@" -q 1 -t device/inside/config -C 1 -W 20
            mosquitto_pub "$@" -q 1 -r -n -t device/inside/config' sh "$payload" "$@"
}
for host in "$MQTT_HOST" mqtt-service mqtt-service.sos-app.svc.cluster.local mqtt-0.mqtt-headless.sos-app; do
    payload=inside-$(date +%s%N)
    received=$(mqtt_inside "$host" "$payload" -p "$MQTT_PORT") || fail mqtt "no answer from $host:$MQTT_PORT"
    [ "$received" = "$payload" ] || fail mqtt "sent $payload by $host, received $received"
done
echo "ok mqtt-inside"
