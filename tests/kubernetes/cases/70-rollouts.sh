# Each system is restarted in turn without losing its quorum: two nodes of three run at all times. When it is the leader's
# turn the others elect another one and do not serve meanwhile; clients' sessions outlast that.
longest_election=15

serving() {
    local node count=0
    for node in 0 1 2; do
        says '^Mode' kubectl exec "zookeeper-$node" -- sh -c 'printf srvr | nc -w 2 127.0.0.1 2181' && count=$((count + 1))
    done
    echo "$count"
}

for name in zookeeper kafka mqtt; do
    started=$(date +%s)
    kubectl rollout restart "statefulset/$name" >/dev/null
    kubectl rollout status "statefulset/$name" --timeout=900s >/dev/null &
    rollout=$!
    least=3 longest=0 lost=
    while kill -0 "$rollout" 2>/dev/null; do
        ready=$(kubectl get statefulset "$name" -o 'jsonpath={.status.readyReplicas}')
        [ "${ready:-0}" -ge "$least" ] || least=${ready:-0}
        if [ "$name" = zookeeper ]; then
            if [ "$(serving)" -ge 2 ]; then lost=; else lost=${lost:-$(date +%s)}; fi
            [ -z "$lost" ] || [ $(($(date +%s) - lost)) -le "$longest" ] || longest=$(($(date +%s) - lost))
        else
            sleep 1
        fi
    done
    wait "$rollout" || fail "the rollout of $name did not end"
    [ "$name" = mqtt ] || [ "$least" -ge 2 ] || fail "only $least pods of $name were ready"
    [ "$longest" -le "$longest_election" ] || fail "there was no quorum for $longest s"
    say "$name restarted in $(($(date +%s) - started)) s, never fewer than $least ready$([ "$name" != zookeeper ] || echo ", at most $longest s without a leader")"
done
until_true 300 "Kafka is not in sync again" in_sync
verify >&2
