# The API server takes all of it strictly and without a warning; pods become ready; topics are made.

cp -r "$here/overlay" "$work/"
sosstack export k8s --namespace "$NAMESPACE" --own-namespace --profile laptop --zookeeper-storage 1Gi \
    --kafka-storage 1Gi --mqtt-storage 1Gi --quiet
command kubectl kustomize "$work/overlay" >"$work/all.yaml"

# The namespace first, as exported, since a dry run makes nothing that later objects could be in. Then all of it, and the
# full sizes too.
command kubectl apply -f "$work/k8s/namespace.yaml" >/dev/null
command kubectl create namespace "$ELSEWHERE" >/dev/null
sosstack export k8s --namespace "$NAMESPACE" --out - >"$work/full.yaml"
for file in full all; do
    said=$(command kubectl apply --dry-run=server --validate=strict -f "$work/$file.yaml" 2>&1) || fail "$said"
    [[ $said != *[Ww]arning* && $said != *"would violate"* ]] || fail "$said"
done

command kubectl apply -f "$work/all.yaml" >/dev/null
# The last thing that Mosquitto needs, as in the usual order.
kubectl wait pod --for=condition=Ready -l app.kubernetes.io/name=zookeeper --timeout=300s >/dev/null
kubectl wait pod --for=condition=Ready -l app.kubernetes.io/name=kafka --timeout=600s >/dev/null
say "ZooKeeper and Kafka are ready"
sosstack export secrets --namespace "$NAMESPACE" --out - | command kubectl apply --server-side -f - >/dev/null
kubectl wait pod --for=condition=Ready -l app.kubernetes.io/name=mqtt --timeout=120s >/dev/null
say "Mosquitto is ready"
kubectl wait job --for=condition=Complete -l app.kubernetes.io/name=kafka-topics --timeout=600s >/dev/null
verify >&2

restarts=$(kubectl get pods -o 'jsonpath={range .items[*].status.containerStatuses[*]}{.restartCount} {end}')
[[ $restarts =~ ^[0\ ]*$ ]] || say "some containers restarted meanwhile: $restarts"

client_pod kafka-client "$(image kafka)" "$NAMESPACE"
client_pod mqtt-client "$(image mosquitto)" "$NAMESPACE"
client_pod outsider "$(image kafka)" "$ELSEWHERE"
kubectl wait pod --for=condition=Ready kafka-client mqtt-client --timeout=120s >/dev/null
command kubectl wait pod -n "$ELSEWHERE" --for=condition=Ready outsider --timeout=120s >/dev/null
