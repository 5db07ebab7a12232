#!/usr/bin/env bash
# Checks licences, sources and advisories of all dependencies, where cargo-deny is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-deny >/dev/null; then
    echo "licences not checked: cargo-deny is missing (cargo install cargo-deny --locked)" >&2
    exit 0
fi
# The advisory database is a git repository of its own: without it the rest is still worth checking.
cargo deny --locked check bans licenses sources
cargo deny --locked check advisories || echo "advisories were not checked, or there are some: see above" >&2
