# Docker Compose, built once from its source with Go; a program named by COMPOSE is taken instead. Sourced.
# shellcheck shell=bash

compose_version=v5.0.2
compose_cache=${XDG_CACHE_HOME:-$HOME/.cache}/sosstack-bench
compose_program=${COMPOSE:-$compose_cache/docker-compose-$compose_version}

fetch_compose() {
    [ ! -x "$compose_program" ] || return 0
    command -v go >/dev/null || {
        echo "building Docker Compose needs Go; or name a docker-compose program: COMPOSE=/path/to/docker-compose" >&2
        return 1
    }
    echo "building Docker Compose $compose_version" >&2
    mkdir -p "$compose_cache/gobin"
    GOBIN=$compose_cache/gobin go install "github.com/docker/compose/v5/cmd@$compose_version"
    mv "$compose_cache/gobin/cmd" "$compose_program"
}
