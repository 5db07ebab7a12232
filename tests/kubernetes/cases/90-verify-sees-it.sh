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

# A peer link that cannot log in.
kubectl exec mqtt-1 -c reload -- sh -c 'sed -i "s/^remote_password .*/remote_password wrong/" /run/sosstack/conf.d/bridge.conf
    for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != mosquitto ] || kill -TERM ${p#/proc/}; done'
until_true 120 "a broken peer link is not seen" red "MQTT peers"
kubectl delete pod mqtt-1 >/dev/null
until_true 180 "verify is not green again" green

# Another password of the peer link, on both sides: it heals by itself.
kubectl patch secret mqtt-peer -p "{\"data\":{\"password\":\"$(printf other | base64)\"}}" >/dev/null
restarted() { says 'the server starts again' kubectl logs mqtt-1 -c reload; }
until_true 180 "the server does not act on another password of the peer link" restarted
until_true 180 "verify is not green again" green
