# All set-up is done by the targets themselves: on a fresh machine, `make demo` and `make test` are enough.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The engine that tests run on. Empty: any that answers, else current.
ENGINE ?=
# Modules of their own within the repository, which ./... does not reach.
MODULES = . examples/shop/web

# Tests on an engine mostly wait for it: more of them at a time than there are cores.
TEST_FLAGS = -timeout 40m -parallel 8
TEST = go test -race $(TEST_FLAGS)
# Only the packages with such tests, as the others would do the same again; one package after the other, as some measure how traffic
# fares, which the load of another package would change.
ON_ENGINE = $(call packages_with,MUSTER_TEST_ENGINE)
TEST_ON_ENGINE = hack/again '$(ON_ENGINE)' $(TEST_FLAGS) -p 1 -count=1
packages_with = $(addprefix ./,$(sort $(dir $(shell grep -rl --include='*_test.go' '$(1)' *))))
space = $(subst ,, )
LINT = go tool -modfile=$(CURDIR)/hack/lint/go.mod golangci-lint

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL = /bin/bash

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## build bin/muster
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/musterhq/muster/cmd/muster/release.Number=$(VERSION)" -o bin/muster ./cmd/muster

install-plugin: build ## let `docker muster` work, for this user; AS=compose takes `docker compose` over
	install -D bin/muster "$(or $(DOCKER_CONFIG),$(HOME)/.docker)/cli-plugins/docker-$(or $(AS),muster)"

man: ## write manual pages into dist/man
	go run -tags man -ldflags "-X github.com/musterhq/muster/cmd/muster/release.Number=$(VERSION)" ./cmd/muster man dist/man

demo: build ## bring examples/shop up and show that it answers
	hack/demo

# All tests of the packages with tests on an engine run there, with the race detector too: those that need none do not run before as well.
test: LATER = $(patsubst ./%/,|muster/%$$,$(ON_ENGINE))
test: setup test-unit test-engine test-oldest ## set all up, then run all tests

# What takes many times as long with the race detector: starting muster hundreds of times on the engine in memory, and hundreds of megabytes of logs.
# Races are looked for in the other tests, and in the same program on an engine.
UNWATCHED = ^Test(Scripts|LogsOfAnySize)$$

# The planner has no goroutines, and its stories take many times as long with the race detector. Those who call it are watched.
test-unit: ## run the tests that need no engine, with the race detector
	env -u MUSTER_TEST_ENGINE go test $(TEST_FLAGS) ./planner
	env -u MUSTER_TEST_ENGINE go test $(TEST_FLAGS) -run '$(UNWATCHED)' ./cmd/muster
	$(foreach dir,$(MODULES),(cd $(dir) && env -u MUSTER_TEST_ENGINE $(TEST) -skip '$(UNWATCHED)' $$(go list ./... | grep -Ev '/planner$$$(subst $(space),,$(LATER))')) &&) true

test-fast: ## the same without the race detector, for when it has to be quick
	$(foreach dir,$(MODULES),(cd $(dir) && env -u MUSTER_TEST_ENGINE go test ./...) &&) true

test-engine: ## run the tests on an engine: ENGINE=current, oldest, or else any that answers
	hack/with-engine $(ENGINE) $(TEST_ON_ENGINE) -skip '$(UNWATCHED)' -race

# All calls of the engine are made on the oldest one, too, but not by each test that makes them: those of what muster does by itself
# are left out (enginetest.SameOnAny in the tests, [short] in scripts), and what takes long and needs no engine. SHORT= runs the former as well.
SHORT = -short

# Exit code 3: the engine can be neither found nor installed here. Only in CI is that a failure.
test-oldest: ## run the tests on the oldest engine that muster supports, for what may differ there; SHORT= for all
	hack/with-engine oldest $(TEST_ON_ENGINE) -skip '$(UNWATCHED)' $(SHORT) || [ $$? = 3 -a -z "$$CI" ]

test-podman: ## run the tests on Podman: the engine adapter, the program and the examples
	hack/with-engine podman $(TEST) -p 1 -count=1 -skip '^Test(Scripts|LogsOfAnySize|EngineKilled)$$' ./runner/docker ./cmd/muster ./examples

test-containerd: ## run the tests of the engine adapter and of the program on Docker with containerd's image store
	hack/with-engine containerd $(TEST) -p 1 -count=1 -skip '^Test(Scripts|LogsOfAnySize|EngineKilled)$$' ./runner/docker ./cmd/muster

# A package at a time: some kill the manager, and with it the network that they run in.
test-swarm: ## run the tests on a swarm of three engines
	(for package in $(call packages_with,MUSTER_TEST_SWARM); do hack/with-engine swarm go test $(TEST_FLAGS) -race -p 1 -count=1 -run Swarm $$package || exit; done) || [ $$? = 3 -a -z "$$CI" ]

bench: build ## measure muster beside docker compose and the raw engine: BENCH=flags, see hack/bench
	hack/with-engine $(ENGINE) go run ./hack/bench -compose "$$(hack/engine peer)" $(BENCH)

bench-diff: ## compare the Go benchmarks with those of the merge base: COUNT=turns, RUN=a pattern
	hack/bench-diff $(or $(COUNT),6) $(if $(RUN),'$(RUN)')

race: ## run tests over and over to find races: RUN=a pattern, COUNT=how often
	$(TEST) -count=$(or $(COUNT),20) -run '$(or $(RUN),.)' ./...

setup: ## make sure of both engines and of their images
	hack/with-engine $(ENGINE) true
	hack/with-engine oldest true || [ $$? = 3 -a -z "$$CI" ]

lint: ## run go vet, golangci-lint and, where it is installed, shellcheck
	$(foreach dir,$(MODULES),(cd $(dir) && go vet ./... && $(LINT) run ./...) &&) true
	! command -v shellcheck >/dev/null || shellcheck --severity=warning .ci/run $$(grep -lI '^#!.*sh$$' -r hack)

fmt: ## format all code
	$(foreach dir,$(MODULES),(cd $(dir) && $(LINT) fmt ./...) &&) true

# go test refuses a flag that a package does not know.
bless: ## take what comes out as what is wanted: rewrite the golden files
	go test $(call packages_with,flag.Bool."update") -update

generate: ## write anew what is made from tables: docs, schema
	go generate ./...

clean: ## remove what was built; engines and images stay (hack/engine stop)
	rm -rf bin dist examples/shop/web/dist

.PHONY: help build install-plugin man demo test test-unit test-fast test-engine test-oldest test-podman test-containerd test-swarm bench bench-diff race setup lint fmt bless generate clean
