# What docs/kubernetes.md says of changing things, as it is typed: a setting, the backend's password, another image, a lost
# volume, a node that is drained. OTHER_KAFKA_IMAGE names a second image of Kafka that the nodes have.

export_and_apply() {
    sosstack export k8s --namespace "$NAMESPACE" --own-namespace --profile laptop --zookeeper-storage 1Gi \
        --kafka-storage 1Gi --mqtt-storage 1Gi --quiet
    command kubectl apply -k "$work/overlay" >/dev/null
}
uids() { kubectl get pods -l "app.kubernetes.io/name in ($1)" -o 'jsonpath={.items[*].metadata.uid}'; }
# A stack file with the same images, and with more of Kafka: JSON is YAML, too.
stack_file() {
    printf '{"zookeeper": {"image": "%s"}, "mosquitto": {"image": "%s"}, "kafka": {"image": "%s"%s}}\n' \
        "$(image zookeeper)" "$(image mosquitto)" "$1" "${2:+, $2}" >"$work/changed.yaml"
    mv "$work/changed.yaml" "$work/sosstack.yaml"
}
threads() { kafka kafka-configs --describe --all --entity-type brokers --entity-name "$1" | grep -o 'num.io.threads=[0-9]*' | head -1; }
images() { kubectl get pods -l app.kubernetes.io/name=kafka -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort -u; }
rolled() { kubectl rollout status statefulset/kafka --timeout=30m >/dev/null && until_true 300 "Kafka is not in sync" in_sync; }
topics_made() { kubectl wait job --for=condition=Complete -l app.kubernetes.io/name=kafka-topics --timeout=600s >/dev/null; }

others=$(uids zookeeper,mqtt)
brokers=$(uids kafka)
kafka_image=$(image kafka)
stack_file "$kafka_image" '"config": {"num.io.threads": 9}'
export_and_apply
rolled
for broker in 0 1 2; do [ "$(threads $broker)" = num.io.threads=9 ] || fail "broker $broker has $(threads $broker)"; done
for uid in $(uids kafka); do [[ $brokers != *$uid* ]] || fail "a broker was not replaced"; done
[ "$(uids zookeeper,mqtt)" = "$others" ] || fail "a setting of Kafka replaced other pods"
say "a changed setting replaced the brokers, and nothing else"

# Who has the old password is let in no more; what has the new one is.
sosstack device rotate sos_service >&2
sosstack export secrets --namespace "$NAMESPACE" --out - | command kubectl apply --server-side -f - >/dev/null
mqtt_login rotated sos_service "$(sosstack device show sos_service --password)"
changed=$(date +%s)
for pod in mqtt-0 mqtt-1; do
    until_true 180 "$pod does not let the backend in with its new password" accepted rotated "$pod"
    refute accepted backend "$pod" || fail "$pod still takes the backend's old password"
done
mqtt_login backend sos_service "$(sosstack device show sos_service --password)"
say "the backend's new password holds after $(($(date +%s) - changed)) s"
until_true 120 "verify is not green after the rotation" verify
[ "$(uids zookeeper,mqtt)" = "$others" ] || fail "a rotated password replaced pods"

if [ -n "${OTHER_KAFKA_IMAGE:-}" ]; then
    stack_file "$OTHER_KAFKA_IMAGE"
    export_and_apply
    rolled
    [ "$(images)" = "$OTHER_KAFKA_IMAGE" ] || fail "brokers run $(images)"
    topics_made
    stack_file "$kafka_image"
    export_and_apply
    rolled
    [ "$(images)" = "$kafka_image" ] || fail "brokers run $(images)"
    topics_made
    verify >&2
    say "another image of Kafka, and back"
else
    say "another image was not tried: OTHER_KAFKA_IMAGE names none"
fi

# The node went, and the broker's volume with it.
volume=$(kubectl get pvc data-kafka-1 -o 'jsonpath={.spec.volumeName}')
started=$(date +%s)
kubectl delete pvc data-kafka-1 --wait=false >/dev/null
kubectl delete pod kafka-1 >/dev/null
until_true 300 "kafka-1 does not come back" kubectl wait pod kafka-1 --for=condition=Ready --timeout=1s
until_true 600 "Kafka is not in sync on the new volume" in_sync
[ "$(kubectl get pvc data-kafka-1 -o 'jsonpath={.spec.volumeName}')" != "$volume" ] || fail "kafka-1 has its old volume"
say "kafka-1 is in sync on a new volume after $(($(date +%s) - started)) s"

# On a cluster of one node nothing can move: what is evicted waits, and the budgets keep the rest of each kind.
node=$(kubectl get pod kafka-0 -o 'jsonpath={.spec.nodeName}')
said=$(command kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout=30s \
    --pod-selector 'app.kubernetes.io/name in (zookeeper,kafka,mqtt)' 2>&1) && fail "the node could be drained of all pods: $said"
for name in zookeeper kafka mqtt; do
    left=$(kubectl get statefulset "$name" -o 'jsonpath={.status.readyReplicas}')
    [ "$left" = "$(($(kubectl get statefulset "$name" -o 'jsonpath={.spec.replicas}') - 1))" ] || fail "$left pods of $name are left"
done
kubectl exec kafka-client -- sh -c 'echo drained | /opt/kafka/bin/kafka-console-producer.sh --bootstrap-server \
    kafka-service:9092 --topic audit.changes --producer-property acks=all' || fail "no message with acks=all during the drain"
command kubectl uncordon "$node" >/dev/null
until_true 300 "not all pods came back after the drain" all_ready
until_true 300 "Kafka is not in sync after the drain" in_sync
verify >&2
say "a drained node took one pod of each kind, and Kafka went on"
