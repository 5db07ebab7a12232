#!/usr/bin/env bash
# Proves the export on a real cluster: applies it to a namespace of its own with small sizes, and breaks it.
#
#   tests/kubernetes/run.sh [CASE…]       default: all of tests/kubernetes/cases, in their order
#
# KUBECONFIG says which cluster. SOSSTACK is the binary (default target/debug/sosstack), STACK_FILE the stack's file for
# images that the cluster has, BRIDGE_IMAGE sosstack's own one there, NAMESPACE what is made and removed again; KEEP=1 leaves
# it there.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/kubernetes
began=$(date +%s)
SOSSTACK=${SOSSTACK:-$PWD/target/debug/sosstack}
NAMESPACE=${NAMESPACE:-sosstack-test}
ELSEWHERE=$NAMESPACE-elsewhere
# RESUME goes on with what KEEP=1 left: it is that run's directory.
work=${RESUME:-$(mktemp -d)}
# Accounts of the tests' own, not those of a stack on this machine.
export XDG_DATA_HOME=$work/data
. "$here/lib.sh"

# A copy, which stays the same while this runs.
[ -n "${RESUME:-}" ] || cp "$SOSSTACK" "$work/sosstack"
SOSSTACK=$work/sosstack

[ -n "${RESUME:-}" ] || cp "${STACK_FILE:-/dev/null}" "$work/sosstack.yaml"
image() { (cd "$work" && "$SOSSTACK" config --output json) | python3 -c "import json,sys; print(json.load(sys.stdin)['$1']['image'])"; }
sosstack() { (cd "$work" && "$SOSSTACK" "$@"); }
verify() { sosstack verify k8s --namespace "$NAMESPACE" "$@"; }

finish() {
    local status=$?
    if [ "$status" != 0 ]; then
        kubectl get pods -o wide >&2 || true
        kubectl get events --field-selector type=Warning 2>/dev/null | tail -15 >&2 || true
    fi
    if [ -z "${KEEP:-}" ]; then
        command kubectl delete namespace "$NAMESPACE" "$ELSEWHERE" --ignore-not-found --wait=false >&2 || true
        rm -rf "$work"
    else
        say "kept: namespace $NAMESPACE, $work"
    fi
    exit "$status"
}

cases=("$@")
[ ${#cases[@]} -gt 0 ] || mapfile -t cases < <(cd "$here/cases" && ls)
if [ -z "${RESUME:-}" ] && command kubectl get namespace "$NAMESPACE" >/dev/null 2>&1; then
    fail "namespace $NAMESPACE is there already: delete it, or name another with NAMESPACE"
fi
trap finish EXIT
for case_name in "${cases[@]}"; do
    case_name=${case_name%.sh}
    say "case $case_name"
    case_began=$(date +%s)
    . "$here/cases/$case_name.sh"
    say "ok $case_name ($(($(date +%s) - case_began)) s)"
done
say "all is well"
