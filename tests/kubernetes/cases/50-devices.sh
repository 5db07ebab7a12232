# A device comes and goes while everything runs: no pod is replaced, no container restarted, nobody else disconnected.

restarts() { kubectl get pods -l app.kubernetes.io/name=mqtt -o 'jsonpath={range .items[*]}{.metadata.uid} {range .status.containerStatuses[*]}{.restartCount} {end}{end}'; }
apply_secrets() { sosstack export secrets --namespace "$NAMESPACE" --out - | command kubectl apply --server-side -f - >/dev/null; }

before=$(restarts)
# Somebody else's connection, which ends when it is disconnected or when its message comes.
as device timeout 300 mosquitto_sub -h "$(pod_host mqtt-0)" -i bystander -c -q 1 -t device/device-12345/config -C 1 >"$work/bystander" &
bystander=$!

sosstack device add watch-new --owner user-new >&2
apply_secrets
mqtt_login new watch-new "$(sosstack device show watch-new --password)"
changed=$(date +%s)
for pod in mqtt-0 mqtt-1; do until_true 180 "$pod does not let the new device in" accepted new "$pod"; done
say "the new device is let in after $(($(date +%s) - changed)) s"

sosstack device remove watch-new >&2
apply_secrets
changed=$(date +%s)
for pod in mqtt-0 mqtt-1; do until_true 180 "$pod still lets the removed device in" refute accepted new "$pod"; done
say "the removed device is refused after $(($(date +%s) - changed)) s"

[ "$(restarts)" = "$before" ] || fail "pods or containers were replaced"
kill -0 "$bystander" 2>/dev/null || fail "somebody else was disconnected"
as backend mosquitto_pub -h "$(pod_host mqtt-0)" -q 1 -t device/device-12345/config -m still-here
wait "$bystander" || fail "somebody else was disconnected"
grep -qx still-here "$work/bystander" || fail "the bystander received $(cat "$work/bystander")"
