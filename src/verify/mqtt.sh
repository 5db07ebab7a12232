# Run by `sosstack verify k8s` in a pod's reload container, from stdin: $here and $there are the two servers, $device
# and $device_password a device's login, or empty. Prints "name ok" or "name failed: why", a line for each question.
set -u
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
topic=sosstack/probe/verify-$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')

# login NAME USER PASSWORD: options by which the tools are that user, from a file: arguments can be seen.
login() {
    mkdir -p "$work/$1"
    for tool in mosquitto_pub mosquitto_sub; do
        printf '%s\n' "-u $2" "-P $3" >"$work/$1/$tool"
    done
}

as() {
    local_config=$work/$1
    shift
    XDG_CONFIG_HOME=$local_config "$@" 2>&1
}

answer() { echo "$*"; }

# Subscribes and leaves: whether the login is accepted.
accepted() { as "$1" timeout 10 mosquitto_sub -h "$2" -q 1 -t "$topic" -E; }

secrets=/run/secrets/sosstack
login backend "$(cat $secrets/credentials/mqtt-username)" "$(cat $secrets/credentials/mqtt-password)"
login stranger "$(cat $secrets/credentials/mqtt-username)" "not-$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')"
mkdir -p "$work/nobody"
cp -r /run/sosstack/probe "$work/probe"

said=$(accepted backend "$here") && answer login ok || answer "login failed: $said"
said=$(accepted backend mqtt-service) && answer service ok || answer "service failed: $said"
said=$(accepted stranger "$here") && answer "stranger failed: a wrong password was accepted" || case $said in
    *efused* | *uthorised*) answer stranger ok ;;
    *) answer "stranger failed: $said" ;;
esac
said=$(accepted nobody "$here") && answer "anonymous failed: a login without a name was accepted" || case $said in
    *efused* | *uthorised*) answer anonymous ok ;;
    *) answer "anonymous failed: $said" ;;
esac

# MQTT 5 says that a publish was refused; 3.1.1 acknowledges it all the same.
refused() {
    said=$(as "$1" timeout 10 mosquitto_pub -h "$here" -V mqttv5 -q 1 -t "$2" -m '{}')
    case $said in
        *uthorized* | *uthorised*) answer "$3" ok ;;
        *) answer "$3 failed: a message to $2 was not refused: $said" ;;
    esac
}
refused probe device/sosstack-verify/command foreign

if [ -n "$device" ]; then
    login device "$device" "$device_password"
    said=$(as device timeout 10 mosquitto_sub -h "$here" -q 1 -t "device/$device/config" -E) &&
        answer device ok || answer "device failed: $device: $said"
    refused device device/sosstack-verify/command device-foreign
fi

# Published again until it arrives: when the subscription has begun cannot be seen from here.
as backend timeout 20 mosquitto_sub -h "$there" -q 1 -t "$topic" -C 1 >"$work/across" &
receiver=$!
tries=0
while kill -0 $receiver 2>/dev/null && [ $tries -lt 20 ]; do
    as backend timeout 10 mosquitto_pub -h "$here" -q 1 -t "$topic" -m across >"$work/sent"
    tries=$((tries + 1))
    sleep 0.5
done
wait $receiver
[ "$(cat "$work/across")" = across ] && answer across ok ||
    answer "across failed: nothing arrived at $there: $(cat "$work/sent" "$work/across")"
