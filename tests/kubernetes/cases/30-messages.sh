# A message through Kafka, and through MQTT from one Mosquitto to the other.

message=hello-$RANDOM
kubectl exec -i kafka-client -- /opt/kafka/bin/kafka-console-producer.sh --bootstrap-server kafka-service:9092 \
    --topic emergency.created --producer-property acks=all <<<"$message"
received=$(kubectl exec kafka-client -- /opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server kafka-service:9092 \
    --topic emergency.created --from-beginning --timeout-ms 10000 2>/dev/null || true)
grep -qx "$message" <<<"$received" || fail "Kafka brought $received"

# The backend's login stands in the Secret under these two keys.
mqtt_login backend "$(of_secret mqtt-username)" "$(of_secret mqtt-password)"
device_password=$(sosstack device show device-12345 --password)
mqtt_login device device-12345 "$device_password"
as device mosquitto_pub -h mqtt-service -q 1 -t device/device-12345/alert -m '{}'

# crosses FROM TO: what a device publishes here arrives at the backend there.
crosses() {
    as backend timeout 30 mosquitto_sub -h "$(pod_host "$2")" -q 1 -t 'device/+/status' -C 1 >"$work/crossed" &
    local receiver=$!
    while kill -0 "$receiver" 2>/dev/null; do
        as device mosquitto_pub -h "$(pod_host "$1")" -q 1 -t device/device-12345/status -m "from $1"
    done
    wait "$receiver" || fail "nothing crossed from $1 to $2"
    grep -qx "from $1" "$work/crossed" || fail "$(cat "$work/crossed")"
}
crosses mqtt-0 mqtt-1
crosses mqtt-1 mqtt-0

# A device may not forge its own commands, and MQTT 5 says so.
said=$(as device mosquitto_pub -h mqtt-service -V mqttv5 -q 1 -t device/device-12345/command -m '{}' 2>&1) || true
[[ $said == *uthori[sz]ed* ]] || fail "a device forged a command: $said"
