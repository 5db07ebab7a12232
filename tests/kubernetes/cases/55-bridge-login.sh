# The bridge's own login: it reads what devices write, and writes nothing; the backend's password is not its own.

mqtt_login bridge sos_bridge "$(sosstack device show sos_bridge --password)"
for pod in mqtt-0 mqtt-1; do accepted bridge "$pod" || fail "$pod does not let the bridge in"; done
for topic in device/sos_bridge/status device/device-12345/command; do
    said=$(as bridge timeout 10 mosquitto_pub -h "$(pod_host mqtt-0)" -V mqttv5 -q 1 -t "$topic" -m forged 2>&1) || true
    [[ $said = *uthori[sz]ed* ]] || fail "a message of the bridge's to $topic was not refused: $said"
done
as bridge timeout 60 mosquitto_sub -h "$(pod_host mqtt-0)" -q 1 -t '#' -C 1 -F '%t' >"$work/bridge" &
reader=$!
# Published again until it is read: when the subscription has begun cannot be seen from here.
while kill -0 "$reader" 2>/dev/null; do
    as backend mosquitto_pub -h "$(pod_host mqtt-0)" -q 1 -t device/device-12345/command -m '{}'
    as device mosquitto_pub -h "$(pod_host mqtt-0)" -q 1 -t device/device-12345/alert -m '{}'
    sleep 0.2
done
wait "$reader" && grep -qx device/device-12345/alert "$work/bridge" || fail "the bridge received $(cat "$work/bridge")"
