# What operators type after a deployment.

versions=$(kubectl exec kafka-0 -c kafka -- /opt/kafka/bin/kafka-broker-api-versions.sh --bootstrap-server localhost:9092)
[ "$(grep -c 'id: [012] ' <<<"$versions")" = 3 ] || fail "not every broker answers"
for node in 0 1 2; do
    says '^Mode: ' kubectl exec "zookeeper-$node" -- sh -c 'printf stat | nc localhost 2181' || fail "zookeeper-$node"
done
says 'kafka, zookeeper' kubectl exec zookeeper-0 -- zkCli.sh -server localhost:2181 ls / || fail "no chroot /kafka"
for component in coordination messaging mqtt-broker; do
    [ -n "$(kubectl get pods -l "app.kubernetes.io/component=$component" -o name)" ] || fail "no pods of $component"
done
[ "$(kubectl get pods -l 'app.kubernetes.io/name in (zookeeper,kafka,mqtt)' -o name | wc -l)" = 8 ] || fail "not 8 pods"
