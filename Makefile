# make run    the server with development defaults on http://localhost:8080
# make test   everything: installs what it needs (Debian, PyPI, npm), checks, tests
# make test-heavy  what takes minutes of all cores: many clients at once; after make test
# make lint   formatting and warnings only
# make deny   licences, sources and advisories of the dependencies (needs cargo-deny and the internet)
# make bench  the benchmarks
# make instructions  counts the instructions of each operation of the relay core, compares with benches/instructions.txt
# make peers  throughput beside coturn and the floor (docs/PERFORMANCE.md); needs two idle cores
# make signaling  signaling and matching beside their targets (docs/PROTOCOL.md); needs two idle cores
# make long-call MINUTES=15  one relayed call between two browsers in which no second may freeze
# make webhook-outage MINUTES=5  a receiver of events that is down for so long, and a kill -9 in between
# make deb    the Debian package (needs cargo-deb)
# make trial  the package on a bare Debian under systemd, called by two browsers (root, debootstrap, systemd-container); after make deb
# make image  what the container image holds, built and tried without a container engine (root)
# make conformance  judges coturn, or TARGET="udp=IP:PORT secret=...", beside this relay; rewrites docs/CONFORMANCE.md

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# Steps share ports, cores and browsers.
.NOTPARALLEL:
.DEFAULT_GOAL := help

# The Python of the tests, and Node where the machine has none.
export PATH := $(CURDIR)/target/venv/bin:$(PATH)

# The program that whole-program tests start; `cargo test` builds this one.
export DUOLOGUE_BIN ?= $(CURDIR)/target/debug/duologue

# Folders with npm packages.
NPM := $(patsubst %/package-lock.json,%,$(wildcard clients/js/package-lock.json tests/asyncapi/package-lock.json tests/browser/package-lock.json tests/node/package-lock.json))

.PHONY: help
help:
	@sed -n 's/^# make /make /p' Makefile

.PHONY: run
run:
	cargo run --release --locked

.PHONY: bench
bench:
	cargo bench --locked

.PHONY: instructions
instructions: system
	python3 benches/instructions.py

.PHONY: peers
peers: system
	cargo build --release --locked
	DUOLOGUE_BIN=$(CURDIR)/target/release/duologue benches/peers.sh

.PHONY: signaling
signaling: system
	cargo build --release --locked
	DUOLOGUE_BIN=$(CURDIR)/target/release/duologue benches/signaling.sh

.PHONY: lint
lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

MINUTES ?= 15
.PHONY: long-call
long-call: set-up
	cargo build --release --locked
	cd tests/browser && DUOLOGUE_BIN=$(CURDIR)/target/release/duologue node long-call.js $(MINUTES)

.PHONY: webhook-outage
webhook-outage: system
	DUOLOGUE_OUTAGE_SECONDS=$$(( $(MINUTES) * 60 )) cargo test --locked --test webhook_outage -- --nocapture

.PHONY: deny
deny:
	@command -v cargo-deny > /dev/null || { echo "cargo-deny is missing: cargo install cargo-deny --locked" >&2; exit 1; }
	cargo deny check

.PHONY: deb
deb:
	deploy/debian/build

.PHONY: trial
trial: set-up
	deploy/trial/run

.PHONY: image
image:
	deploy/image/try

.PHONY: test
test: set-up lint rust-tests sdk-tests node-tests browser-tests
	@echo "all tests passed"

.PHONY: test-heavy
test-heavy: set-up
	cargo test --locked --test many_connections -- --ignored --nocapture

.PHONY: set-up
set-up: system python $(NPM:%=%/node_modules/.installed)

.PHONY: system
system:
	@scripts/setup-system

.PHONY: python
python: system
	@scripts/setup-python

# The mark lies inside of what it marks: whoever deletes the packages deletes it too.
%/node_modules/.installed: %/package-lock.json | python
	cd $* && npm ci --no-audit --no-fund
	touch $@

# Unit tests, and whole-program tests with coturn's and aioice's clients.
.PHONY: rust-tests
rust-tests: set-up
	cargo test --locked

# Needs root or CAP_NET_RAW: some statements are about the IP header.
.PHONY: conformance
conformance: system
	DUOLOGUE_CONFORM_TARGET="$(TARGET)" cargo test --locked --test conformance -- --ignored --nocapture

.PHONY: sdk-tests
sdk-tests: set-up
	cd clients/js && npm run check && npm test

# Two WebRTC stacks that are no browsers.
.PHONY: node-tests
node-tests: set-up rust-tests
	cd tests/node && npm test

# Two real browsers that call each other through the built server.
.PHONY: browser-tests
browser-tests: set-up rust-tests
	cd tests/browser && npm test
