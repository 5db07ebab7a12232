#!/bin/bash
# What the official image's entrypoint does with its variables, as far as the manifests rely on it.
set -e
mkdir -p "$ZOO_DATA_DIR" "$ZOO_DATA_LOG_DIR" "$ZOO_LOG_DIR"
if [[ ! -f $ZOO_CONF_DIR/zoo.cfg ]]; then
    echo "stand-in: there is no $ZOO_CONF_DIR/zoo.cfg, and this image makes none" >&2
    exit 1
fi
[[ -f $ZOO_DATA_DIR/myid ]] || echo "${ZOO_MY_ID:-1}" >"$ZOO_DATA_DIR/myid"
exec "$@"
