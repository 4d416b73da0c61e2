# Countersign. `make` alone lists what there is. Everything that is installed or built goes to .cache, and nothing needs
# root, but for redis-server: see e2e/tools/redis.sh.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

CACHE := $(CURDIR)/.cache
BIN := $(CACHE)/bin
# Modules beside the main one. The tools of e2e/tools/spire have no code of ours.
MODULES := k8s e2e/tools/image e2e/bench

GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)

# SPIRE is built again when its go.sum changed, and not when only the time of that file did.
SPIRE_STAMP := $(BIN)/.spire-$(firstword $(shell cksum e2e/tools/spire/go.sum))

IMAGE ?= countersign:dev
ARCH = $(shell go env GOARCH)
BENCHCOUNT ?= 1

SUITE := e2e/tools/suite.sh
# Where tests find the real programs. They are set in the shell that runs the tests, after the programs are there.
WITH_ENVOY = COUNTERSIGN_ENVOY="$$(e2e/tools/envoy.sh)"; export COUNTERSIGN_ENVOY;
WITH_REDIS = REDIS_SERVER="$$(e2e/tools/redis.sh)"; export REDIS_SERVER;
WITH_RECIPES = e2e/tools/recipes.sh; export PATH="$(CACHE)/node/bin:$$PATH";
# The reference implementation of Cedar, in a package for Node.js: see e2e/cedar.
WITH_CEDAR = e2e/tools/node.sh e2e/cedar/package.json cedar; export COUNTERSIGN_CEDAR=$(CACHE)/cedar;
WITH_SPIRE = export COUNTERSIGN_SPIRE_SERVER=$(BIN)/spire-server COUNTERSIGN_SPIRE_AGENT=$(BIN)/spire-agent;

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: need-go ## build the binary: .cache/bin/countersign
	@go build -trimpath -o $(BIN)/countersign ./cmd/countersign
	@echo $(BIN)/countersign

.PHONY: demo
demo: need-go $(if $(filter 1,$(SPIRE)),$(SPIRE_STAMP)) ## show it at work; SPIRE=1 with a real SPIRE, KEEP=1 to leave it running until Ctrl-C
	@$(WITH_ENVOY) $(WITH_SPIRE) go run ./e2e/demo $(if $(filter 1,$(SPIRE)),-spire) $(if $(filter 1,$(KEEP)),-keep)

.PHONY: test
test: test-unit test-fuzz test-e2e test-k8s test-image ## all suites; make --keep-going runs the rest after one failed

.PHONY: test-unit
test-unit: need-go need-cc ## tests with the race detector, and how much of authz/ they reach
	@$(WITH_ENVOY) $(WITH_REDIS) $(WITH_CEDAR) $(SUITE) unit e2e/tools/unit.sh

.PHONY: test-fuzz
test-fuzz: FUZZTIME ?= 15s
test-fuzz: need-go ## every fuzz target for FUZZTIME (15s)
	@$(SUITE) fuzz e2e/tools/fuzz.sh $(FUZZTIME)

.PHONY: test-e2e
test-e2e: need-go $(SPIRE_STAMP) ## the real thing: Envoy, SPIRE and MCP peers
	@$(WITH_ENVOY) $(WITH_REDIS) $(WITH_RECIPES) $(WITH_SPIRE) $(SUITE) e2e go test -count=1 -timeout 20m ./e2e/...

.PHONY: test-k8s
test-k8s: need-go ## render the manifests and have countersign and Envoy read them
	@$(WITH_ENVOY) $(SUITE) k8s go test -C k8s -count=1 ./...

.PHONY: test-image
test-image: need-go ## build the image and read it back
	@$(SUITE) image bash -c 'go test -C e2e/tools/image ./... && $(MAKE) image'

.PHONY: fuzz
fuzz: FUZZTIME ?= 5m
fuzz: need-go ## look for inputs that break a parser: every fuzz target for FUZZTIME (5m)
	@e2e/tools/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: need-go $(SPIRE_STAMP) ## all benchmarks, BENCHCOUNT times (1)
	@$(WITH_ENVOY) $(WITH_REDIS) $(WITH_SPIRE) go test -run '^$$' -bench . -benchmem -count $(BENCHCOUNT) ./authz/... ./cedar/... ./envoy/... ./e2e/...
	@go test -C e2e/bench -run '^$$' -bench . -benchmem -count $(BENCHCOUNT) ./...

# govulncheck is not part of this: what it finds depends on a database on the network and on the day. See `make vuln`.
.PHONY: lint
lint: lint-format lint-vet lint-golangci ## formatting, go vet and golangci-lint

.PHONY: lint-format
lint-format: need-go
	@$(SUITE) format bash -c 'bad=$$(find . -name "*.go" -not -path "./.cache/*" -exec gofmt -l {} +); \
		[ -z "$$bad" ] || { echo "gofmt would change:"; echo "$$bad"; exit 1; }'

.PHONY: lint-vet
lint-vet: need-go
	@$(SUITE) vet bash -c 'go vet ./... && for m in $(MODULES); do go vet -C $$m ./... || exit; done'

.PHONY: lint-golangci
lint-golangci: need-go $(GOLANGCI)
	@export GOLANGCI_LINT_CACHE=$(CACHE)/golangci-lint; \
	$(SUITE) golangci bash -c 'status=0; for m in . $(MODULES); do \
		echo "-- $$m"; (cd $$m && $(GOLANGCI) run --config $(CURDIR)/.golangci.yml ./...) || status=1; done; exit $$status'

.PHONY: vuln
vuln: need-go ## look for known vulnerabilities; needs the network
	@GOBIN=$(BIN) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	@for m in . $(MODULES); do $(BIN)/govulncheck -C $$m ./...; done

.PHONY: image
image: need-go ## build a container image without a container engine: .cache/image/countersign.tar (IMAGE, ARCH)
	@CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) go build -trimpath -ldflags '-s -w' -o $(CACHE)/image/countersign ./cmd/countersign
	@go run -C e2e/tools/image . -binary $(CACHE)/image/countersign -output $(CACHE)/image/countersign.tar -name $(IMAGE)

.PHONY: clean
clean: ## remove everything that was built or installed
	@rm -rf $(CACHE) coverage.out

$(GOLANGCI): | need-go
	@echo 'installing golangci-lint $(GOLANGCI_VERSION) into .cache/bin' >&2
	@rm -f $(BIN)/golangci-lint*
	@GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(BIN)/golangci-lint $@

$(SPIRE_STAMP): | need-go need-cc
	@echo 'building SPIRE into .cache/bin: some minutes, once' >&2
	@rm -f $(BIN)/.spire-*
	@cd e2e/tools/spire && GOBIN=$(BIN) go install -ldflags '-s -w' tool
	@touch $@

.PHONY: need-go need-cc
need-go:
	@command -v go >/dev/null || { echo 'go is missing: install Go 1.26 or newer from https://go.dev/dl/' >&2; exit 1; }
need-cc:
	@command -v "$$(go env CC)" >/dev/null || { echo 'a C compiler is missing, which the race detector and SPIRE need: install gcc or clang' >&2; exit 1; }
