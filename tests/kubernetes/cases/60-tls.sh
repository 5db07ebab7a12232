# Port 8883 opens when there is a certificate.

refute reaches "$NAMESPACE" kafka-client mqtt-service 8883 || fail "8883 is open without a certificate"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mqtt-service -addext subjectAltName=DNS:mqtt-service \
    -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
kubectl create secret tls mqtt-tls --cert "$work/tls.crt" --key "$work/tls.key" >/dev/null
kubectl rollout restart statefulset/mqtt >/dev/null
kubectl rollout status statefulset/mqtt --timeout=300s >/dev/null
kubectl exec -i mqtt-client -- sh -c 'cat >/tmp/ca.crt' <"$work/tls.crt"
as backend timeout 20 mosquitto_sub -h mqtt-service -p 8883 --cafile /tmp/ca.crt -t '$SYS/broker/version' -C 1 >&2 ||
    fail "no login over TLS"
