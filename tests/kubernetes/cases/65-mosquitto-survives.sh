# What the two Mosquittos keep through an orderly move, a crash, and an absence of either; docs/kubernetes.md tells it.

count=20
topic=device/device-12345/alert

# A session that stays: subscribes, and leaves. $1 client id, $2 pod
leave_session() { as backend timeout 20 mosquitto_sub -h "$(pod_host "$2")" -i "$1" -c -q 1 -t "$topic" -E; }
# What is queued for it. $1 client id, $2 pod
queued() { as backend mosquitto_sub -h "$(pod_host "$2")" -i "$1" -c -q 1 -t "$topic" -W 8 2>/dev/null | grep -c . || true; }
# $1 pod
publish_all() { seq $count | kubectl exec -i mqtt-client -- env XDG_CONFIG_HOME=/tmp/device mosquitto_pub -h "$(pod_host "$1")" -q 1 -t "$topic" -l; }
delete_and_wait() {
    local uid
    uid=$(kubectl get pod "$1" -o 'jsonpath={.metadata.uid}')
    kubectl delete pod "$1" >/dev/null
    until_true 180 "$1 does not come back" replaced "$1" "$uid"
}
# Ends the server in its container without a chance to save. $1 pod
crash() { kubectl exec "$1" -c reload -- sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != mosquitto ] || kill -9 ${p#/proc/}; done'; }
restarts() { kubectl get pod "$1" -o 'jsonpath={.status.containerStatuses[?(@.name=="mqtt")].restartCount}'; }
restarted() { [ "$(restarts "$1")" -gt "$2" ] && kubectl wait pod "$1" --for=condition=Ready --timeout=1s; }

leave_session mover mqtt-0
publish_all mqtt-0
delete_and_wait mqtt-0
found=$(queued mover mqtt-0)
say "orderly move: $found of $count queued messages kept"
[ "$found" = $count ] || fail "an orderly move lost queued messages"

leave_session crasher mqtt-0
publish_all mqtt-0
# Saved every second: two later, all are on the disk.
sleep 2
before=$(restarts mqtt-0)
crash mqtt-0
until_true 120 "mqtt-0 does not come back" restarted mqtt-0 "$before"
found=$(queued crasher mqtt-0)
say "crash, two seconds after the last one: $found of $count queued messages kept"
[ "$found" = $count ] || fail "a crash lost messages that had been saved"

leave_session crasher mqtt-0
publish_all mqtt-0
before=$(restarts mqtt-0)
crash mqtt-0
until_true 180 "mqtt-0 does not come back" restarted mqtt-0 "$before"
say "crash at once: $(queued crasher mqtt-0) of $count queued messages kept"

# A session lies on one of the two. What is published at the other crosses, also what was published while one was away.
leave_session stayer mqtt-0
uid=$(kubectl get pod mqtt-0 -o 'jsonpath={.metadata.uid}')
kubectl delete pod mqtt-0 >/dev/null
publish_all mqtt-1
until_true 180 "mqtt-0 does not come back" replaced mqtt-0 "$uid"
found=$(queued stayer mqtt-0)
say "mqtt-0 away: $found of $count messages published at mqtt-1 arrived at mqtt-0 afterwards"
[ "$found" = $count ] || fail "messages for the first pod were lost while it was away"

leave_session second mqtt-1
kubectl scale statefulset mqtt --replicas=1 >/dev/null
kubectl wait pod mqtt-1 --for=delete --timeout=120s >/dev/null
publish_all mqtt-0
found=$(queued second mqtt-0)
say "mqtt-1 away: $found of $count messages for a session there can be had at mqtt-0"
[ "$found" = 0 ] || fail "a session moved, which the documentation denies"
kubectl scale statefulset mqtt --replicas=2 >/dev/null
until_true 180 "mqtt-1 does not come back" all_ready
until_true 60 "mqtt-1 does not let in" accepted backend mqtt-1
found=$(queued second mqtt-1)
say "mqtt-1 back: $found of $count messages published at mqtt-0 meanwhile arrived there"
[ "$found" = $count ] || fail "messages for the second pod were lost while it was away"

# Once at each of them, a client has two sessions.
leave_session both mqtt-0
leave_session both mqtt-1
publish_all mqtt-0
until_true 30 "nothing crosses" accepted backend mqtt-1
say "a client with a session at each: $(queued both mqtt-0) and $(queued both mqtt-1) of $count messages"

# A retained message that is deleted while the other one is away comes back from there.
retained() { as backend mosquitto_sub -h "$(pod_host "$1")" -t sosstack/probe/retained -W 3 2>/dev/null | grep -c . || true; }
as backend mosquitto_pub -h "$(pod_host mqtt-0)" -q 1 -r -t sosstack/probe/retained -m kept
until_true 30 "a retained message does not cross" says kept as backend mosquitto_sub -h "$(pod_host mqtt-1)" -t sosstack/probe/retained -C 1 -W 3
kubectl scale statefulset mqtt --replicas=1 >/dev/null
kubectl wait pod mqtt-1 --for=delete --timeout=120s >/dev/null
as backend mosquitto_pub -h "$(pod_host mqtt-0)" -q 1 -r -t sosstack/probe/retained -n
kubectl scale statefulset mqtt --replicas=2 >/dev/null
until_true 180 "mqtt-1 does not come back" all_ready
say "retained message deleted at mqtt-0 while mqtt-1 was away: $(retained mqtt-0) at mqtt-0, $(retained mqtt-1) at mqtt-1"
