# verify is green, red for each thing that is broken on purpose, and green again when it is mended.

# red PART: verify fails and names that part.
red() {
    local said
    said=$(verify 2>&1) && return 1
    grep -q "^$1 .*failed" <<<"$said" || { echo "$said"; return 1; }
}
green() { verify; }
until_true 120 "verify is not green to begin with" green

kubectl scale statefulset kafka --replicas=2 >/dev/null
until_true 120 "a missing broker is not seen" red "Kafka brokers"
until_true 60 "replicas that are not in sync are not seen" red "Kafka replicas"
until_true 60 "a missing pod is not seen" red "Pods"
kubectl scale statefulset kafka --replicas=3 >/dev/null
until_true 300 "verify is not green again" green

kubectl scale statefulset zookeeper --replicas=2 >/dev/null
until_true 120 "a missing node is not seen" red "ZooKeeper quorum"
kubectl scale statefulset zookeeper --replicas=3 >/dev/null
until_true 300 "verify is not green again" green

kafka kafka-topics --delete --topic notification.sms >/dev/null
until_true 60 "a missing topic is not seen" red "Kafka topics"
kubectl delete job -l app.kubernetes.io/name=kafka-topics >/dev/null
command kubectl apply -f "$work/all.yaml" >/dev/null
until_true 300 "verify is not green again" green

# A rule that lets everybody write everything.
rule() { kubectl exec mqtt-1 -c reload -- sh -c "$1; for p in /proc/[0-9]*; do [ \"\$(cat \$p/comm)\" != mosquitto ] || kill -HUP \${p#/proc/}; done"; }
rule 'cp /run/sosstack/acl /tmp/acl; echo "pattern readwrite #" >>/run/sosstack/acl'
until_true 60 "an access rule that is too wide is not seen" red "MQTT access"
rule 'cat /tmp/acl >/run/sosstack/acl'
until_true 60 "verify is not green again" green

# The peer link's password changes, and only a restart tells the link.
kubectl patch secret mqtt-peer -p "{\"data\":{\"password\":\"$(printf other | base64)\"}}" >/dev/null
until_true 240 "a broken peer link is not seen" red "MQTT peers"
kubectl rollout restart statefulset/mqtt >/dev/null
kubectl rollout status statefulset/mqtt --timeout=300s >/dev/null
until_true 120 "verify is not green again" green
sosstack export secrets --namespace "$NAMESPACE" --out - | command kubectl apply --server-side --force-conflicts -f - >/dev/null
kubectl rollout restart statefulset/mqtt >/dev/null
kubectl rollout status statefulset/mqtt --timeout=300s >/dev/null
until_true 240 "verify is not green again" green
