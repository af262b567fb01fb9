# All tools come through the Go toolchain at the versions that go.tool.mod and
# go.check.mod pin; Go builds them on first use and caches them. Nothing has to
# be installed but Go, make and, for the race detector, a C compiler.

GO    ?= go
BUF    = $(GO) tool -modfile=go.check.mod buf
LINTER = $(GO) tool -modfile=go.check.mod golangci-lint
VULN   = $(GO) tool -modfile=go.check.mod govulncheck

# Further arguments: make test ARGS='-run TestGuard -v' PKGS=./interceptors/auth
ARGS ?=
PKGS ?= ./...

# The race detector is on wherever Go finds a C compiler.
RACE = $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

# Evaluated only where it is used; an unpacked archive has no git to ask.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

VULNDB ?= https://vuln.go.dev

# A workspace of one's own must not change what is built here; -modfile refuses
# to work inside one too.
export GOWORK = off

SHELL         = /bin/sh
.SHELLFLAGS   = -euc
.DEFAULT_GOAL = help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: build ## Run the server with a development issuer: no account, no network
	@exec bin/ostiary dev $(ARGS)

.PHONY: test
test: ## Run all tests, in random order, under the race detector
	@[ -n "$(RACE)" ] || echo 'make test: no C compiler found, the race detector is OFF' >&2
	$(GO) test $(RACE) -shuffle=on $(ARGS) $(PKGS)

# The seeds of every fuzz target are part of make test; this goes on from them.
FUZZTIME ?= 10s

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME=10s each
	@grep -rl --include='*_test.go' '^func Fuzz' interceptors server cmd | xargs -n 1 dirname | sort -u | while read -r dir; do \
		grep -ho '^func Fuzz[A-Za-z]*' "$$dir"/*_test.go | sed 's/^func //' | while read -r target; do \
			echo "fuzz $$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$dir"; \
		done; \
	done

.PHONY: generate
generate: ## Write gen/ from proto/, and docs/configuration.md from the code
	$(BUF) generate
	@mkdir -p bin docs
	$(GO) run ./cmd/ostiary docs configuration > bin/configuration.md
	@mv bin/configuration.md docs/configuration.md

.PHONY: format
format: ## Format Go and proto files in place
	$(BUF) format --write
	$(LINTER) fmt

.PHONY: lint
lint: ## Check formatting, the schema's style and the code
	$(BUF) lint
	$(BUF) format --diff --exit-code
	$(LINTER) fmt --diff
	$(LINTER) run ./...

.PHONY: check
check: lint check-generated check-modules check-bench check-vulnerabilities ## All that must hold before a merge, but the tests

# Generates beside the work tree and compares, so uncommitted work is no obstacle.
.PHONY: check-generated
check-generated:
	@tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT INT TERM; \
	$(BUF) generate --output "$$tmp"; \
	mkdir "$$tmp/docs"; \
	$(GO) run ./cmd/ostiary docs configuration > "$$tmp/docs/configuration.md"; \
	drift=; \
	diff -r -u gen "$$tmp/gen" || drift='gen/'; \
	diff -u docs/configuration.md "$$tmp/docs/configuration.md" || drift="$${drift:+$$drift and }docs/configuration.md"; \
	if [ -n "$$drift" ]; then \
		echo "out of date: $$drift; run 'make generate' and commit the result" >&2; exit 1; \
	fi; \
	echo 'gen/ and docs/configuration.md are up to date'

.PHONY: check-modules
check-modules:
	$(GO) mod tidy -diff
	$(GO) mod verify

# Without its database govulncheck cannot say anything: that is told, loudly, and
# is no failure. Whatever else goes wrong is one, a finding above all.
.PHONY: check-vulnerabilities
check-vulnerabilities:
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT INT TERM; \
	echo '$(VULN) -db $(VULNDB) ./...'; \
	if $(VULN) -db '$(VULNDB)' ./... > "$$log" 2>&1; then \
		cat "$$log"; \
	elif grep -q '^govulncheck: fetching vulnerabilities: ' "$$log"; then \
		cat "$$log" >&2; \
		echo '############################################################' >&2; \
		echo '# SKIPPED: known vulnerabilities were NOT looked for, as the' >&2; \
		echo '# database did not answer. Set VULNDB to one that does.' >&2; \
		echo '############################################################' >&2; \
	else \
		cat "$$log" >&2; exit 1; \
	fi

# AGAINST is any git reference of this repository.
.PHONY: breaking
breaking: AGAINST ?= main
breaking: ## Tell what in proto/ breaks callers, compared with AGAINST=main
	$(BUF) breaking --against '.git#ref=$(AGAINST)'

# With ARGS, such as ARGS=-quick or ARGS='-run cold', it only prints.
.PHONY: bench
bench: ## Measure against other libraries, and write docs/benchmarks.md
	cd bench && $(GO) run . $(or $(ARGS),-out ../docs/benchmarks.md)

# That the comparison still builds, and that everybody in it verifies; what it
# measures is nobody's pass or failure.
.PHONY: check-bench
check-bench:
	cd bench; \
	$(GO) mod tidy -diff || { echo "bench/go.mod is out of date: run 'go mod tidy' in bench/" >&2; exit 1; }; \
	$(GO) vet ./...; \
	$(GO) test ./...

.PHONY: build
build: ## Build bin/ostiary
	$(GO) build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/ostiary ./cmd/ostiary

.PHONY: clean
clean: ## Remove what was built, and the development issuer's state
	rm -rf bin .ostiary coverage.*
