# A Docker daemon and images for tests. Sourced from the repository's root.
# shellcheck shell=bash

test_cache=${XDG_CACHE_HOME:-$HOME/.cache}/sosstack-test

docker_answers() { command -v docker >/dev/null && timeout 10 docker version >/dev/null 2>&1; }

# Where none answers and this is root on Debian, takes the tests' own or starts it; `stop_own_docker` ends what was
# started here, and not the one that somebody else works with.
own_docker=
start_docker_if_none() {
    if docker_answers || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return; fi
    if DOCKER_HOST=$(scripts/docker-daemon status "$test_cache/docker"); then
        export DOCKER_HOST
        return
    fi
    echo "test: no Docker daemon answers; starting one for the tests" >&2
    DOCKER_HOST=$(scripts/docker-daemon start "$test_cache/docker")
    export DOCKER_HOST
    own_docker=yes
    # Nobody else works with it, so a test may stop it.
    export SOSSTACK_TEST_DAEMON=$test_cache/docker
}
stop_own_docker() { [ -z "$own_docker" ] || scripts/docker-daemon stop "$test_cache/docker"; }

# Official images if they are here or to be had, else stand-ins with their layout.
choose_images() {
    local images
    mapfile -t images < <(scripts/default-images.sh)
    if docker image inspect "${images[@]}" >/dev/null 2>&1; then return; fi
    if printf '%s\n' "${images[@]}" | xargs -n 1 -P 3 timeout 600 docker pull --quiet >/dev/null 2>&1; then return; fi
    echo "test: the official images cannot be pulled here; using stand-ins with their layout" >&2
    tests/images/build.sh "$test_cache"
    export SOSSTACK_TEST_STACK_FILE=$PWD/tests/images/stack.yaml
}
