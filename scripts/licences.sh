#!/usr/bin/env bash
# Checks licences, sources and advisories of all dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo deny --locked check bans licenses sources
# Advisories are a database on the internet: an unreachable one is no defect of this project.
if cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --locked check advisories --disable-fetch
else
    echo "advisories not checked: their database cannot be fetched" >&2
fi
