#!/usr/bin/env bash
# mosquitto_sub and mosquitto_pub over the address $1 (mqtt:// or mqtts://): MQTT 3.1.1 and 5, a message each at QoS 2,
# a login with a wrong password refused, and, over TLS, a certificate that an unknown authority signed.
set -euo pipefail

url=$1
host_port=${url#*://}
topic=device/interop-$$/alert
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Options by file: a password on a command line is everybody's to read.
export XDG_CONFIG_HOME=$work
options() {
    printf -- '-h %s\n-p %s\n-u %s\n-P %s\n' "${host_port%:*}" "${host_port##*:}" "$MQTT_USERNAME" "$1"
    [[ $url != mqtts://* ]] || printf -- '--cafile %s\n' "$MQTT_CA_FILE"
}
(umask 077 && options "$MQTT_PASSWORD" >"$work/mosquitto_pub" && cp "$work/mosquitto_pub" "$work/mosquitto_sub")

for version in mqttv311 mqttv5; do
    payload=$version-$(date +%s%N)
    # A log of its own for each: what an earlier subscriber said must not be taken for this one's word.
    log=$work/sub-$version
    : >"$log"
    # -d so that it says when it is subscribed; line by line because stdout is a file.
    stdbuf -oL mosquitto_sub -V "$version" -d -q 2 -t "$topic" -C 1 -W 20 -F 'got %p' >"$log" 2>&1 &
    subscriber=$!
    until grep -q '^Subscribed' "$log"; do
        kill -0 "$subscriber" 2>/dev/null || { tail -n 1 "$log"; exit 1; }
        sleep 0.02
    done
    mosquitto_pub -V "$version" -q 2 -t "$topic" -m "$payload"
    wait "$subscriber" || { echo "$version: nothing arrived on $topic within 20 s"; exit 1; }
    grep -qx "got $payload" "$log" || { echo "$version: sent $payload, got: $(grep '^got' "$log")"; exit 1; }
done

(umask 077 && options "not-$MQTT_PASSWORD" >"$work/mosquitto_pub")
if mosquitto_pub -q 1 -t "$topic" -m x 2>"$work/refusal"; then echo "a wrong password was accepted" && exit 1; fi
grep -qi 'not authori[sz]ed' "$work/refusal" || { echo "a wrong password: $(tail -n 1 "$work/refusal")"; exit 1; }

[[ $url == mqtts://* ]] || exit 0
options "$MQTT_PASSWORD" | grep -v -- --cafile >"$work/mosquitto_pub"
if mosquitto_pub -q 1 -t "$topic" -m x --capath /etc/ssl/certs 2>"$work/refusal"; then
    echo "TLS works without the stack's own authority: who signed the certificate?"
    exit 1
fi
