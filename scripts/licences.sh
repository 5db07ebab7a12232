#!/usr/bin/env bash
# Checks licences, sources and advisories of all dependencies, where cargo-deny is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-deny >/dev/null; then
    echo "licences not checked: cargo-deny is missing (cargo install cargo-deny --locked)" >&2
    exit 0
fi
cargo deny --locked check bans licenses sources
# Advisories are a database on the internet: an unreachable one is no defect of this project.
if cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --locked check advisories --disable-fetch
else
    echo "advisories not checked: their database cannot be fetched" >&2
fi
