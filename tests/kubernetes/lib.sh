# What the cases of tests/kubernetes share. Sourced by run.sh.

say() { echo "[$(($(date +%s) - began)) s] $*" >&2; }
fail() {
    say "FAILED: $*"
    exit 1
}

kubectl() { command kubectl --namespace "$NAMESPACE" "$@"; }

# until_true SECONDS WHAT COMMAND…: asks again until it succeeds; what it last said is the evidence.
until_true() {
    local deadline=$(($(date +%s) + $1)) what=$2 said
    shift 2
    until said=$("$@" 2>&1); do
        [ "$(date +%s)" -lt "$deadline" ] || fail "$what: $said"
        sleep 0.5
    done
}

refute() { ! "$@"; }

# says PATTERN COMMAND…: whether it succeeds and what it prints holds the pattern. (A pipe to grep -q would end it early.)
says() {
    local pattern=$1 said
    shift
    said=$("$@" 2>/dev/null) && grep -q -- "$pattern" <<<"$said"
}

# The pods of the three systems, all ready.
all_ready() {
    local name
    for name in zookeeper kafka mqtt; do
        [ "$(kubectl get statefulset "$name" -o 'jsonpath={.status.readyReplicas}')" = \
            "$(kubectl get statefulset "$name" -o 'jsonpath={.spec.replicas}')" ] || return 1
    done
}

# A deleted pod's set counts it as ready for a moment: another pod of that name must be there.
replaced() {
    local uid
    uid=$(kubectl get pod "$1" -o 'jsonpath={.metadata.uid}') && [ -n "$uid" ] && [ "$uid" != "$2" ] &&
        kubectl wait pod "$1" --for=condition=Ready --timeout=1s
}

in_sync() {
    local described
    described=$(kafka kafka-topics --describe --unavailable-partitions) && [ -z "$described" ] || return 1
    described=$(kafka kafka-topics --describe --under-replicated-partitions) && [ -z "$described" ]
}

# A pod that does nothing but wait for commands. $1 name, $2 image, $3 namespace
client_pod() {
    command kubectl apply --namespace "$3" -f - >/dev/null <<POD
apiVersion: v1
kind: Pod
metadata: { name: $1 }
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 0
  securityContext:
    { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: { type: RuntimeDefault } }
  containers:
  - name: client
    image: $2
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 1; done"]
    env: [{ name: HOME, value: /tmp }]
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
POD
}

# Kafka's tools, in a client's pod.
kafka() {
    local tool=$1
    shift
    kubectl exec kafka-client -- "/opt/kafka/bin/$tool.sh" --bootstrap-server kafka-service:9092 "$@"
}

# A login for the tools in a client's pod, from a file. $1 name, $2 user, $3 password
mqtt_login() {
    kubectl exec -i mqtt-client -- sh -c "umask 077; mkdir -p /tmp/$1; cd /tmp/$1
        { read -r user; read -r password; } && printf '%s\n' \"-u \$user\" \"-P \$password\" | tee mosquitto_pub >mosquitto_sub" \
        <<<"$2"$'\n'"$3"
}

# What a key of the backend's Secret holds. $1 key
of_secret() { kubectl get secret mqtt-credentials -o "jsonpath={.data.$1}" | base64 -d; }

# as LOGIN mosquitto_…: in a client's pod, with that login.
as() {
    local login=$1
    shift
    kubectl exec mqtt-client -- env "XDG_CONFIG_HOME=/tmp/$login" "$@"
}

pod_host() { echo "$1.${1%-*}-headless.$NAMESPACE.svc.cluster.local"; }

# Whether a login is accepted by one of the Mosquittos.
accepted() { as "$1" timeout 10 mosquitto_sub -h "$(pod_host "$2")" -q 1 -t "sosstack/probe/x" -E; }

# Whether a port can be reached from a pod: namespace pod host port
reaches() { command kubectl exec -n "$1" "$2" -- timeout 3 bash -c "</dev/tcp/$3/$4" 2>/dev/null; }
