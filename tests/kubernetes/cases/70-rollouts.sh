# Each system is restarted in turn without losing its quorum: two nodes of three always serve.

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
    least=3
    while kill -0 "$rollout" 2>/dev/null; do
        if [ "$name" = zookeeper ]; then
            now=$(serving)
            [ "$now" -ge "$least" ] || least=$now
        else
            sleep 1
        fi
    done
    wait "$rollout" || fail "the rollout of $name did not end"
    [ "$name" != zookeeper ] || [ "$least" -ge 2 ] || fail "only $least nodes served"
    say "$name restarted in $(($(date +%s) - started)) s$([ "$name" != zookeeper ] || echo ", at least $least nodes served")"
done
until_true 300 "Kafka is not in sync again" in_sync
verify >&2
