# Under a steady load with acks=all, every pod is deleted in turn, and nothing that was acknowledged is lost.

topic=audit.changes
kubectl exec kafka-client -- sh -c "rm -f /tmp/sent; /opt/kafka/bin/kafka-verifiable-producer.sh --bootstrap-server kafka-service:9092 \
    --topic $topic --acks -1 --throughput 50 >/tmp/sent 2>/dev/null & echo \$! >/tmp/producer"
acknowledged() { kubectl exec kafka-client -- grep -c producer_send_success /tmp/sent; }
until_true 60 "the load does not begin" acknowledged

# $1 pod; more are options of the deletion
delete_under_load() {
    local pod=$1 uid started
    shift
    uid=$(kubectl get pod "$pod" -o 'jsonpath={.metadata.uid}')
    started=$(date +%s)
    kubectl delete pod "$pod" --wait=false "$@" >/dev/null 2>&1
    until_true 600 "$pod does not come back" replaced "$pod" "$uid"
    until_true 300 "Kafka is not in sync after $pod was deleted" in_sync
    say "$pod: back and in sync after $(($(date +%s) - started)) s${1:+ (without a chance to end in order)}; $(acknowledged) acknowledged"
}
for pod in zookeeper-0 zookeeper-1 zookeeper-2 kafka-0 kafka-1 kafka-2 mqtt-0 mqtt-1; do delete_under_load "$pod"; done
for pod in kafka-1 zookeeper-2; do delete_under_load "$pod" --force --grace-period=0; done

kubectl exec kafka-client -- sh -c 'kill -TERM $(cat /tmp/producer)'
until_true 60 "the load does not end" kubectl exec kafka-client -- sh -c '! kill -0 $(cat /tmp/producer) 2>/dev/null'
kubectl exec kafka-client -- cat /tmp/sent >"$work/sent"
kubectl exec kafka-client -- /opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server kafka-service:9092 --topic $topic \
    --from-beginning --timeout-ms 20000 2>/dev/null | sort -u >"$work/received" || true
grep producer_send_success "$work/sent" | sed 's/.*"value":"\([0-9]*\)".*/\1/' | sort -u >"$work/acknowledged"
lost=$(comm -23 "$work/acknowledged" "$work/received" | wc -l)
refused=$(grep -c producer_send_error "$work/sent" || true)
say "$(wc -l <"$work/acknowledged") acknowledged, $lost of them lost; $refused refused, which the producer knew"
[ "$lost" = 0 ] || fail "acknowledged messages are lost: $(comm -23 "$work/acknowledged" "$work/received" | head -5 | tr '\n' ' ')"
[ "$(wc -l <"$work/acknowledged")" -gt 500 ] || fail "there was hardly any load"
