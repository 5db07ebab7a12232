# The contestant: Docker Compose. Sourced by up.sh, which sets `compose_dir`, and `compose_program` by
# scripts/lib/docker-compose.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154

# Ports of its own, so that a stack with the default ones may go on running.
export ZOOKEEPER_PORT_0=24081 ZOOKEEPER_PORT_1=24082 ZOOKEEPER_PORT_2=24083
export KAFKA_PORT_0=24092 KAFKA_PORT_1=24093 KAFKA_PORT_2=24094 MQTT_PORT=24001 MQTT_WS_PORT=24002

compose() { "$compose_program" --file "$compose_dir/compose.yaml" "$@"; }

compose_up() { compose up --quiet-pull --wait; }

# Until it succeeds, as its user would: after `down`, a broker that was killed finds its old session still in ZooKeeper,
# ends and is started again, and a container that ends while Compose waits for its health fails the whole `up`.
compose_up_again() {
    local tries=0
    until compose_up; do
        tries=$((tries + 1))
        echo "bench: Compose's up with data failed ($tries)" >&2
        [ "$tries" -lt 30 ] || return 1
    done
}

# One call a topic, as scripts beside Compose files have it.
compose_topics() {
    local topic partitions
    while read -r topic partitions; do
        compose exec -T kafka-0 java -Xmx256M -cp '/opt/kafka/libs/*' \
            org.apache.kafka.tools.TopicCommand --bootstrap-server kafka-0:9092 \
            --create --topic "$topic" --partitions "$partitions" --replication-factor 3 </dev/null || return
    done <"$compose_dir/topics.txt"
}

compose_up_and_topics() { compose_up && compose_topics; }
compose_down() { compose down; }
compose_remove() { compose down --volumes --timeout 1 >/dev/null 2>&1; }
