#!/bin/sh
# Prints the images that a stack runs from when its file names no others, one a line.
set -eu
cd "$(dirname "$0")/.."
version() { sed -n "/^$1:/,/^[a-z]/s/^  version: *//p" seed-data/stack.yaml; }
echo "zookeeper:$(version zookeeper)"
echo "apache/kafka:$(version kafka)"
echo "eclipse-mosquitto:$(version mosquitto)"
