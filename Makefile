# Everything starts from scripts/setup.sh, which does only what is still to be done.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build guest install demo test lab-test lint bench clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is needed and build everything (seconds when nothing is to be done)
	@scripts/setup.sh

build: ## build daemon, command line and native programs; install nothing
	@scripts/setup.sh --only npm,bundle,cargo

guest: ## build what the VM boots and the embedded busybox image
	@scripts/setup.sh --only cargo,guest

install: ## install what was built, or replace what is installed (DESTDIR=…): docs/install.md
	@scripts/install.sh

demo: setup ## run a container in a VM and show how long each phase took
	@scripts/demo.sh

test: setup ## run all tests
	@scripts/test.sh

lab-test: setup ## run the tests that need a host of their own, in a VM: systemd, cgroup v2, KVM (minutes; ONLY=systemd|cgroups|machine|vfio)
	@node_modules/.bin/vitest run --project lab $(ONLY)

lint: ## lint and type-check everything
	@npm run --silent lint
	@cargo clippy --quiet --release --locked --workspace --all-targets -- -D warnings

bench: setup ## measure against the bare limits; writes bench/RESULTS.md
	@npm run --silent bench

clean: ## remove what was built, keep downloads
	rm -rf dist src/gen target build/images build/guest/.store build/stamps
	@if [ -d build/guest ]; then find build/guest -maxdepth 1 -type l -delete; fi

distclean: clean ## remove downloads and node_modules as well
	rm -rf build node_modules
