# Everything that is done with this project is a target here; `make` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
LDFLAGS     := -s -w
TARGETS     := linux/arm/6 linux/arm/7 linux/arm64 linux/amd64
COMMANDS    := doorpanel doorlicense doorhub doorfleet

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## a panel with simulated hardware, broker, phone and license issuer on this host
	@echo "building (the first time takes a minute) ..."
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -tags demo -o bin/doorpanel-demo ./cmd/doorpanel
	@exec ./bin/doorpanel-demo demo $(ARGS)

.PHONY: run-hub
run-hub: ## a hub with a company and a fleet of simulated panels with a few troubles; prints the page's address and a password
	@echo "building (the first time takes a minute) ..."
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -o bin/doorhub ./cmd/doorhub
	@CGO_ENABLED=0 $(GO) build -o bin/doorfleet ./cmd/doorfleet
	@exec ./bin/doorfleet run --doorhub bin/doorhub --panels 16 --sites 4 --company --trouble 1m --hold-off 10s $(ARGS)

# What decides without doing has no goroutine that could race (architecture_test.go sees to that): its random histories run
# at full speed, without the race detector. So do those of the pools, which sign at every step.
MODULE := github.com/doorpanel/doorpanel
PURE := license|license/envelope|panel|panel/access|telemetry|qr|hub/fleet|hub/monitor|hub/ledger|hub/roles

.PHONY: test
test: ## install what the tests need (Debian, as root), then run all of them with the race detector
	@scripts/test-deps.sh
	$(GO) test -race -timeout 20m -skip '^TestPanelsNeverUseMoreThanWasSold$$' $$($(GO) list ./... | grep -vxE '$(MODULE)/($(PURE))')
	$(GO) test -timeout 20m $$($(GO) list ./... | grep -xE '$(MODULE)/($(PURE))' | grep -vx '$(MODULE)/license')
	$(GO) test -timeout 20m ./license -rapid.checks=2000
	$(GO) test -timeout 20m ./hub/pools -run '^TestPanelsNeverUseMoreThanWasSold$$' -rapid.checks=500

.PHONY: check
check: ## formatting, vet, staticcheck, tidy modules, 32-bit, shell scripts
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not formatted:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags demo ./cmd/doorpanel
	$(GO) vet -tags rig ./scripts/rig/...
	GOARCH=386 $(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(STATICCHECK) -tags demo ./cmd/doorpanel
	@if command -v shellcheck >/dev/null; then shellcheck $$(git ls-files '*.sh' .ci/run); else echo "shellcheck is not installed: shell scripts were not checked"; fi

.PHONY: build
build: ## static binaries for arm6, arm7, arm64 and amd64, in dist/
	@mkdir -p dist
	@for target in $(TARGETS); do \
	  IFS=/ read -r os arch arm <<< "$$target"; \
	  for command in $(COMMANDS); do \
	    out=dist/$$command-$$os-$$arch$${arm:+v$$arm}; \
	    CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch GOARM=$$arm $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $$out ./cmd/$$command || exit 1; \
	    printf '%-36s %5.1f MiB\n' $$out $$(awk "BEGIN { print $$(stat -c %s $$out) / 1048576 }"); \
	  done; \
	done

.PHONY: bench
bench: ## ours beside its peer or floor, alternately in one run; nothing fails on a time
	@scripts/test-deps.sh bench
	scripts/bench.sh

.PHONY: rig
rig: ## the arm64 binary on a virtual board: kernel GPIO, SPI, SIP peer (installs qemu on Debian, as root)
	scripts/rig/run.sh

.PHONY: long
long: ## what takes long: 100,000 histories, fuzzing of every parser, many power cuts, a thousand panels at a hub
	@scripts/test-deps.sh long
	scripts/long.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
