# Every task of this project, from set-up to figures. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# rustup puts cargo here, but a shell knows it only after the next login.
export PATH := $(PATH):$(HOME)/.cargo/bin

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(TARGET_DIR)/release/sosstack
# Where `make install` puts sosstack; by default the first of these that is writable.
BIN_DIR ?= $(shell if [ -w /usr/local/bin ]; then echo /usr/local/bin; else echo "$$HOME/.local/bin"; fi)
# Options for sosstack up and docker build, e.g. make up ARGS='--runtime process'
ARGS ?=
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# What `make image` makes.
IMAGE ?= sosstack:$(VERSION)

.PHONY: help up build install image test test-compose test-k8s soak fuzz lint bench bench-peers clean

help: ## List what there is to make
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

up: ## Install what is missing, build, put sosstack on PATH, bring the stack up
	@scripts/setup.sh up
	@$(MAKE) --no-print-directory install
	@"$(BIN_DIR)/sosstack" up $(ARGS)

build: ## Build the release binary
	@scripts/setup.sh build
	cargo build --release --locked

install: build ## Build, and put sosstack on PATH (BIN_DIR=… to choose where)
	@scripts/install.sh "$(BINARY)" "$(BIN_DIR)"

image: ## Build sosstack's image, sosstack:VERSION (IMAGE=… for another name), with Docker
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null) $(ARGS) --tag $(IMAGE) .

test: ## Install what the tests need and run all of them
	@scripts/setup.sh test
	@scripts/test.sh

test-compose: ## Run what export compose emits with Docker Compose, as somebody without sosstack would; minutes
	@scripts/setup.sh test
	cargo build --locked
	@tests/compose/run.sh

test-k8s: ## Prove the export on the cluster of KUBECONFIG; STACK_FILE= names images that it has, OTHER_KAFKA_IMAGE= one more, BRIDGE_IMAGE= ours, CASES= some cases only
	cargo build --locked
	@SOSSTACK="$(abspath $(TARGET_DIR))/debug/sosstack" STACK_FILE="$(STACK_FILE)" OTHER_KAFKA_IMAGE="$(OTHER_KAFKA_IMAGE)" \
		BRIDGE_IMAGE="$(BRIDGE_IMAGE)" tests/kubernetes/run.sh $(CASES)

soak: ## Kill commands at many random moments and see that the next one heals; bridges, brokers and Mosquitto under load; ROUNDS=50
	@scripts/setup.sh test
	@SOSSTACK_SOAK_ROUNDS=$(or $(ROUNDS),50) scripts/test.sh --test stack -- crashes bridge

fuzz: ## Feed stack files of all kinds to the parser and validator; SECONDS=60, needs cargo-fuzz and a nightly compiler
	@mkdir -p fuzz/corpus/stack_file
	cargo +nightly fuzz run stack_file fuzz/corpus/stack_file fuzz/seeds -- -dict=fuzz/stack_file.dict -max_total_time=$(or $(SECONDS),60)

lint: ## Install what checks the sources, and check format, lints and licences
	@scripts/setup.sh lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	@scripts/licences.sh

bench: ## Measure up and down beside Docker Compose, the clients beside kcat and Mosquitto's, the bridge beside its goals
	@scripts/setup.sh build
	cargo build --release --locked
	benches/up.sh $(ARGS)
	benches/clients.sh
	benches/bridge.sh
	cargo bench --locked --bench journal --bench mapping

bench-peers: ## Measure the bridge beside Telegraf and a Node program; minutes, and Go once
	@scripts/setup.sh test
	cargo build --release --locked
	benches/bridge-peers.sh $(ARGS)

clean: ## Remove everything that was built here
	cargo clean
