# The bridge's component under load on both Mosquittos: away for a minute with 50,000 messages queued, each Mosquitto deleted,
# the bridge deleted, the node drained. BRIDGE_IMAGE is sosstack's own image, which the nodes have.

bridge_image=${BRIDGE_IMAGE:-$("$SOSSTACK" --version | tr ' ' :)}
queued=25000
run=$began-$RANDOM

bridge_ready() { kubectl wait pod bridge-0 --for=condition=Ready --timeout=1s; }
verified() { verify | grep '^Bridge .* ok '; }
# A press as the probe, by the bridge's own program.
proven() {
    kubectl exec bridge-0 -- sosstack bridge probe --timeout 3s --bootstrap kafka-service:9092 \
        --mqtt "mqtt://sos_bridge@$(pod_host mqtt-0):1883"
}
memory_of() {
    kubectl exec "$1" -c reload -- sh -c 'for p in /proc/[0-9]*; do
        [ "$(cat $p/comm)" != mosquitto ] || sed -n "s/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p" $p/status; done'
}
# How many records a topic has.
count_of() { kafka kafka-get-offsets --topic "$1" 2>/dev/null | awk -F : '{ sum += $3 } END { print sum + 0 }'; }
# All of them so far: under load, a reader that waits for silence would wait for ever. $1 topic
records_of() {
    kubectl exec kafka-client -- /opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server kafka-service:9092 --topic "$1" \
        --from-beginning --max-messages "$(count_of "$1")" --timeout-ms 15000 \
        --property print.timestamp=true --property print.headers=true 2>/dev/null
}

# A pod of sosstack's, which has the ledgers' volume. $1 name; the rest are containers, as YAML
sosstack_pod() {
    kubectl apply -f - >/dev/null <<POD
apiVersion: v1
kind: Pod
metadata: { name: $1 }
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    { runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, seccompProfile: { type: RuntimeDefault } }
  volumes:
  - { name: ledgers, persistentVolumeClaim: { claimName: ledgers } }
  - { name: home, emptyDir: {} }
  containers:
$2
POD
}
# A container that runs sosstack. $1 name, $2 its arguments as a list of YAML
sosstack_container() {
    cat <<CONTAINER
  - name: $1
    image: $bridge_image
    imagePullPolicy: IfNotPresent
    args: $2
    env: [{ name: SOSSTACK_MQTT_PASSWORD, valueFrom: { secretKeyRef: { name: mqtt-credentials, key: mqtt-password } } }]
    volumeMounts: [{ name: ledgers, mountPath: /ledgers }, { name: home, mountPath: /var/lib/sosstack }]
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
CONTAINER
}
mqtt_login backend "$(of_secret mqtt-username)" "$(of_secret mqtt-password)"
mqtt_login device device-12345 "$(sosstack device show device-12345 --password)"

# The component, beside a stack that runs.
export_with_bridge() {
    sosstack export k8s --namespace "$NAMESPACE" --own-namespace --profile laptop --zookeeper-storage 1Gi \
        --kafka-storage 1Gi --mqtt-storage 1Gi --bridge --bridge-image "$bridge_image" --bridge-storage 1Gi --quiet
}
export_with_bridge
command kubectl kustomize "$work/overlay" >"$work/bridge.yaml"
said=$(command kubectl apply --dry-run=server --validate=strict -f "$work/bridge.yaml" 2>&1) || fail "$said"
[[ $said != *[Ww]arning* && $said != *"would violate"* ]] || fail "$said"
started=$(date +%s)
sosstack export secrets --namespace "$NAMESPACE" --out - | command kubectl apply --server-side -f - >/dev/null
command kubectl apply -f "$work/bridge.yaml" >/dev/null
kubectl rollout status statefulset/mqtt --timeout=10m >/dev/null
until_true 180 "the bridge does not become ready" bridge_ready
until_true 120 "no press gets through" verified
say "applied after $(($(date +%s) - started)) s: $(verified)"
for pod in mqtt-0 mqtt-1; do
    kubectl exec $pod -c mqtt -- grep -q '^max_queued_messages 100000$' /etc/sosstack/mosquitto.conf ||
        fail "$pod keeps fewer messages"
done

# The user to whom a device belongs comes from a Secret: the stack file that the bridge has names no devices.
sosstack device add k8s-0001 --owner user-k8s >/dev/null
sosstack export secrets --namespace "$NAMESPACE" --out - | command kubectl apply --server-side -f - >/dev/null
owned() {
    as backend mosquitto_pub -h "$(pod_host mqtt-0)" -q 2 -t panic/k8s-0001/press -m '{}' &&
        records_of emergency.created | grep user-k8s
}
started=$(date +%s)
until_true 180 "the bridge does not learn the owner of a new device" owned
say "the owner of a new device is known to the bridge after $(($(date +%s) - started)) s"

# Load on both, until the very end: devices at each Mosquitto, with a ledger each.
kubectl apply -f - >/dev/null <<'CLAIM'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ledgers }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
CLAIM
simulated() {
    sosstack_container "at-mqtt-$1" "[simulate, --devices, '50', --rate, 100/s, --duration, 1h, --seed, '$((RANDOM * 10 + $1))',
      --ledger, /ledgers/at-mqtt-$1, --real-emergencies, --bootstrap, 'kafka-service:9092',
      --mqtt, 'mqtt://$(of_secret mqtt-username)@$(pod_host "mqtt-$1"):1883']"
}
sosstack_pod load "$(simulated 0)"$'\n'"$(simulated 1)"
until_true 120 "the load does not begin" kubectl wait pod load --for=condition=Ready --timeout=1s

# Away for a minute, with 50,000 messages queued.
before=$(count_of device.alerts)
kubectl scale statefulset bridge --replicas=0 >/dev/null
kubectl wait pod bridge-0 --for=delete --timeout=60s >/dev/null
away=$(date +%s)
empty=$(memory_of mqtt-0)
bulk() {
    seq -f '{"eventId":"bulk-'"$run-$1"'-%.0f"}' $queued | kubectl exec -i mqtt-client -- env XDG_CONFIG_HOME=/tmp/device \
        mosquitto_pub -h "$(pod_host "mqtt-$1")" -i "bulk-$1" -q 1 -t device/device-12345/alert -l
}
bulk 0 &
first=$!
bulk 1 &
wait $first && wait $! || fail "not all of 2 × $queued messages were acknowledged"
say "2 × $queued messages acknowledged $(($(date +%s) - away)) s after the bridge had gone"
until [ $(($(date +%s) - away)) -ge 60 ]; do sleep 1; done
say "mqtt-0 takes $(memory_of mqtt-0) KiB with them, $empty before"
kubectl scale statefulset bridge --replicas=1 >/dev/null
started=$(date +%s)
until_true 60 "the bridge does not come back" bridge_ready
say "the bridge is ready again after $(($(date +%s) - started)) s"
all_there() { [ $(($(count_of device.alerts) - before)) -ge $((2 * queued)) ]; }
until_true 300 "not all that was queued comes to Kafka" all_there
say "all of it is in Kafka after $(($(date +%s) - started)) s"
records_of device.alerts | grep -o '"eventId":"bulk-'"$run"'-[01]-[0-9]*"' | sort >"$work/bulk" || true
different=$(sort -u "$work/bulk" | wc -l)
say "$different different ones, $(($(wc -l <"$work/bulk") - different)) twice"
[ "$different" = $((2 * queued)) ] || fail "$((2 * queued - different)) of the queued messages are lost"

# Each pod deleted under load; while the first Mosquitto is away, somebody presses at the second one.
press_arrived() { records_of emergency.created | grep "pressed-$run"; }
for pod in mqtt-0 mqtt-1 bridge-0; do
    uid=$(kubectl get pod $pod -o 'jsonpath={.metadata.uid}')
    started=$(date +%s)
    kubectl delete pod $pod --wait=false >/dev/null
    if [ $pod = mqtt-0 ]; then
        pressed=$(date +%s%3N)
        as device mosquitto_pub -h "$(pod_host mqtt-1)" -q 2 -t panic/device-12345/press -m '{"eventId":"pressed-'"$run"'"}'
    fi
    until_true 180 "$pod does not come back" replaced $pod "$uid"
    back=$(($(date +%s) - started))
    until_true 120 "no press gets through after $pod was deleted" proven
    say "$pod deleted: back after $back s; a press gets through after $(($(date +%s) - started)) s"
    if [ $pod = mqtt-0 ]; then
        until_true 60 "a press at mqtt-1 does not arrive" press_arrived
        arrived=$(press_arrived | sed 's/^CreateTime:\([0-9]*\).*/\1/' | head -1)
        say "a press at mqtt-1 when mqtt-0 was deleted was taken by the bridge $((arrived - pressed)) ms later"
    fi
done

# On a cluster of one node nothing can move: what is evicted waits until the node is back.
node=$(kubectl get pod bridge-0 -o 'jsonpath={.spec.nodeName}')
started=$(date +%s)
command kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout=30s \
    --pod-selector 'app.kubernetes.io/name in (zookeeper,kafka,mqtt,bridge)' >/dev/null 2>&1 &&
    fail "all pods could be evicted at once"
[ -z "$(kubectl get pod bridge-0 -o 'jsonpath={.status.containerStatuses}')" ] || fail "the bridge was not evicted"
command kubectl uncordon "$node" >/dev/null
until_true 300 "not all pods came back after the drain" all_ready
until_true 300 "Kafka is not in sync after the drain" in_sync
until_true 120 "no press gets through after the drain" proven
say "node drained for 30 s: a press gets through after $(($(date +%s) - started)) s"

# What devices were acknowledged, sought in Kafka. The load ends in order, and with it its ledgers.
kubectl delete pod load --wait=true >/dev/null
verdict_of() {
    sosstack_container "at-mqtt-$1" "[ledger, verify, /ledgers/at-mqtt-$1, --output, json, --quiet, --timeout, 20s,
      --bootstrap, 'kafka-service:9092']"
}
sosstack_pod verdict "$(verdict_of 0)"$'\n'"$(verdict_of 1)"
ended() { [ "$(kubectl get pod verdict -o 'jsonpath={.status.containerStatuses[*].state.terminated.exitCode}' | wc -w)" = 2 ]; }
until_true 300 "the ledgers are not verified" ended
for ordinal in 0 1; do
    kubectl logs verdict -c "at-mqtt-$ordinal" >"$work/verdict-$ordinal"
    say "devices at mqtt-$ordinal: $(python3 "$here/verdict.py" "$work/verdict-$ordinal")"
done
for ordinal in 0 1; do
    python3 "$here/verdict.py" --strict "$work/verdict-$ordinal" >/dev/null || fail "acknowledged messages are lost"
done
