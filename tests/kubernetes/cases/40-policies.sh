# Clients reach what clients need, nobody reaches the rest, and the pods reach nobody else.

open=(zookeeper-service:2181 kafka-service:9092 mqtt-service:1883 mqtt-service:9001)
peers=("$(pod_host zookeeper-0):2888" "$(pod_host zookeeper-0):3888" "$(pod_host zookeeper-1):3888")
for target in "${open[@]}"; do
    reaches "$NAMESPACE" kafka-client "${target%:*}" "${target#*:}" || fail "a client of the namespace does not reach $target"
done
for target in "${peers[@]}"; do
    refute reaches "$NAMESPACE" kafka-client "${target%:*}" "${target#*:}" || fail "a client reaches $target"
done
# The peers themselves do.
reaches "$NAMESPACE" zookeeper-1 "$(pod_host zookeeper-0)" 3888 || fail "a peer does not reach zookeeper-0:3888"

outside() { echo "${1%:*}.$NAMESPACE.svc.cluster.local"; }
for target in "${open[@]}"; do
    refute reaches "$ELSEWHERE" outsider "$(outside "$target")" "${target#*:}" || fail "another namespace reaches $target"
done
command kubectl label namespace "$ELSEWHERE" sosstack/client=true >/dev/null
for target in "${open[@]}"; do
    until_true 30 "a labelled namespace does not reach $target" reaches "$ELSEWHERE" outsider "$(outside "$target")" "${target#*:}"
done
command kubectl label namespace "$ELSEWHERE" sosstack/client- >/dev/null

# Outwards: a broker reaches ZooKeeper's clients' port, and neither Mosquitto nor the API server.
reaches "$NAMESPACE" kafka-0 zookeeper-service 2181 || fail "a broker does not reach ZooKeeper"
refute reaches "$NAMESPACE" kafka-0 mqtt-service 1883 || fail "a broker reaches Mosquitto"
refute reaches "$NAMESPACE" kafka-0 kubernetes.default.svc 443 || fail "a broker reaches the API server"
refute reaches "$NAMESPACE" mqtt-0 kafka-service 9092 || fail "Mosquitto reaches Kafka"
refute reaches "$NAMESPACE" zookeeper-0 kafka-service 9092 || fail "ZooKeeper reaches Kafka"
