# All tools come through the Go toolchain at the versions that go.tool.mod and
# go.check.mod pin; Go builds them on first use and caches them. Nothing has to
# be installed but Go, make and, for the race detector, a C compiler.

GO    ?= go
BUF    = $(GO) tool -modfile=go.check.mod buf
LINTER = $(GO) tool -modfile=go.check.mod golangci-lint

# Further arguments: make test ARGS='-run TestGuard -v' PKGS=./interceptors/auth
ARGS ?=
PKGS ?= ./...

# The race detector is on wherever Go finds a C compiler. It does not look at SQLite, which was
# translated from C: that would take half of the time of the tests.
RACE = $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race -gcflags=modernc.org/sqlite/lib=-race=false)

# Modules of their own, whose dependencies users of the library do not inherit.
NESTED = server interceptors/gatewayauth interceptors/otelauth interceptors/interop examples deploy

# So are the programs. Not their go.mod but their go.work says that they are built with
# what is beside them: go install refuses a go.mod that replaces.
PROGRAMS = cmd/ostiary cmd/buf-plugin-ostiary
PROGRAM  = GOWORK=auto $(GO) -C
# Without the C library, the programs also run where there is none.
STATIC   = CGO_ENABLED=0 $(PROGRAM)
OWN_WORKSPACE = [ ! -e go.work ] || export GOWORK=auto

# Evaluated only where it is used; an unpacked archive has no git to ask.
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)

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
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: build ## Run the server with a development issuer: no account, no network
	@exec bin/ostiary dev $(ARGS)

.PHONY: fleet
fleet: build ## Show a sign-out at one server ending a stream at a service that follows another
	@cd examples && $(GO) run ./fleet $(ARGS)

# The browser's tests are left out where some of the others are chosen.
.PHONY: test
test: test-go $(if $(ARGS)$(filter-out ./...,$(PKGS)),,test-nested test-web) ## Run all tests, in random order, under the race detector

.PHONY: test-go
test-go: test-peers
	@echo 'Testing $(PKGS). Nothing is printed while it builds, which takes some minutes the first time.' >&2
	@[ -n "$(RACE)" ] || echo 'make test: no C compiler found, the race detector is OFF' >&2
	$(GO) test $(RACE) -timeout=15m -shuffle=on $(ARGS) $(PKGS)

# Senders and receivers of messages in other languages, for the tests of package signals, of interop and of the server.
PEERS = $(addsuffix /testdata/node_modules/.package-lock.json,interceptors/signals interceptors/interop server)

# The lowest versions that the browser client works with.
LOWEST = web/client/test/lowest/node_modules/.package-lock.json
# Clerk's scripts, for the tests of the console.
CLERK = web/console/test/clerk/node_modules/.package-lock.json

$(PEERS) $(LOWEST) $(CLERK): %/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-progress
	@touch $@

.PHONY: test-peers
test-peers:
	@if ! command -v npm >/dev/null; then $(call WITHOUT,no real sender and receiver of messages was tested: install Node 20.19 or later); exit; fi; \
	$(MAKE) --no-print-directory $(PEERS)

# The browser that drives the page of deploy/compose.yaml is one of web/. What is deployed runs as
# processes of its own, of which the race detector would see nothing.
.PHONY: test-nested
test-nested: test-peers
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(MODULES); fi
	@for module in $(NESTED) $(PROGRAMS); do \
		echo "$$module:"; race='$(RACE)'; [ $$module != deploy ] || race=; \
		(cd $$module; $(OWN_WORKSPACE); $(GO) test $$race -timeout=15m -shuffle=on ./...); \
	done
	$(STATIC) cmd/ostiary test -run SmallContainer ./internal/processtest # which the race detector has no memory for

# The seeds of every fuzz target are part of make test; this goes on from them.
FUZZTIME ?= 10s

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME=10s each
	@grep -rl --include='*_test.go' '^func Fuzz' interceptors server cmd | xargs -n 1 dirname | sort -u | while read -r dir; do \
		grep -ho '^func Fuzz[A-Za-z]*' "$$dir"/*_test.go | sed 's/^func //' | while read -r target; do \
			echo "fuzz $$dir $$target"; \
			$(PROGRAM) "$$dir" test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .; \
		done; \
	done

# make test does the same for a minute.
SOAK ?= 10m

.PHONY: soak
soak: ## Put a server under a load of all kinds for SOAK=10m, and find what grows
	OSTIARY_TEST_SOAK=$(SOAK) $(PROGRAM) cmd/ostiary test -run '^TestSoak$$' -v -timeout 0 ./internal/processtest

# The gateway that gatewayauth is tested with.
GATEWAY = --config '{"version": "v2", "modules": [{"path": "proto"}, {"path": "interceptors/gatewayauth/internal/shelfv1"}]}' \
	--template interceptors/gatewayauth/buf.gen.yaml --path interceptors/gatewayauth/internal/shelfv1/shelf.proto

# The examples name their plugins as anybody's project does, so these must be on the PATH.
PLUGINS = google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc connectrpc.com/connect/cmd/protoc-gen-connect-go \
	github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway
EXAMPLES = $(GO) build -modfile=go.tool.mod -o bin/plugins/ $(PLUGINS); \
	cd examples && PATH="$(CURDIR)/bin/plugins:$$PATH" $(GO) tool -modfile='$(CURDIR)/go.check.mod' buf generate

.PHONY: generate
generate: ## Write gen/, the lists of reasons and docs/api.md from proto/, and docs/configuration.md and docs/commands.md from the code
	$(BUF) generate
	$(BUF) generate $(GATEWAY)
	$(EXAMPLES)
	@mkdir -p bin docs
	$(BUF) build -o bin/schema.binpb
	$(GO) run ./internal/generate bin/schema.binpb
	$(STATIC) cmd/ostiary run . docs configuration > bin/configuration.md
	@mv bin/configuration.md docs/configuration.md
	$(STATIC) cmd/ostiary run . docs commands > bin/commands.md
	@mv bin/commands.md docs/commands.md

# Only what is for browsers needs Node; the console's pages are committed. Where
# something is missing that is told, loudly, and is no failure but in CI.
WITHOUT = printf '\n%s\n\n' "SKIPPED: $(1)" >&2; [ -z "$${CI:-}" ]
MODULES = web/node_modules/.package-lock.json

$(MODULES): web/package-lock.json
	cd web && npm ci --no-progress
	@touch $@

.PHONY: web
web: $(MODULES) ## Write the browser's generated code, and build the console into web/console/dist
	$(BUF) generate --template web/buf.gen.yaml
	cd web && npm run build -w console

.PHONY: test-web
test-web:
	@if ! command -v npm >/dev/null; then $(call WITHOUT,the browser was not tested: install Node 20.19 or later and Chromium); exit; fi; \
	$(MAKE) --no-print-directory $(MODULES) $(LOWEST) $(CLERK); \
	cd web; npm run check; npm test; \
	if ! npm run --silent chromium; then $(call WITHOUT,no browser was tested: install Chromium or set CHROMIUM to where it is); fi

# Builds beside the work tree and compares, so uncommitted work is no obstacle.
.PHONY: check-web
check-web:
	@if ! command -v npm >/dev/null; then $(call WITHOUT,what is built for browsers was not compared: install Node 20.19 or later); exit; fi; \
	$(MAKE) --no-print-directory $(MODULES); \
	tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT INT TERM; \
	$(BUF) generate --template web/buf.gen.yaml --output "$$tmp"; \
	(cd web && npm run --silent build -w console -- --outDir "$$tmp/dist" --logLevel warn); \
	if ! diff -r -u web/client/src/gen "$$tmp/web/client/src/gen" || ! diff -r -q web/console/dist "$$tmp/dist"; then \
		echo "out of date: web/client/src/gen or web/console/dist; run 'make web' and commit the result" >&2; exit 1; \
	fi; \
	echo 'web/client/src/gen and web/console/dist are up to date'

.PHONY: format
format: ## Format Go and proto files in place
	$(BUF) format --write
	$(LINTER) fmt
	@if ! command -v npm >/dev/null; then $(call WITHOUT,the console was not formatted: install Node 20.19 or later); exit; fi; \
	$(MAKE) --no-print-directory $(MODULES); \
	cd web && npm run --silent format

.PHONY: lint
lint: ## Check formatting, the schema's style and the code
	$(BUF) lint
	$(BUF) format --diff --exit-code
	$(LINTER) fmt --diff
	$(LINTER) run ./...
	cd bench && $(GO) tool -modfile=../go.check.mod golangci-lint run ./...
	@linter=$$($(GO) tool -n -modfile=go.check.mod golangci-lint); \
	for module in $(NESTED) $(PROGRAMS); do echo "lint $$module"; (cd $$module; $(OWN_WORKSPACE); "$$linter" run ./...); done
	@if ! command -v npm >/dev/null; then $(call WITHOUT,the console was not linted: install Node 20.19 or later); exit; fi; \
	$(MAKE) --no-print-directory $(MODULES); \
	cd web && npm run --silent lint

.PHONY: check
check: lint breaking check-generated check-web check-rules check-modules check-nested check-programs check-bench check-vulnerabilities ## All that must hold before a merge, but the tests

# Generates beside the work tree and compares, so uncommitted work is no obstacle.
.PHONY: check-generated
check-generated:
	@tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT INT TERM; \
	$(BUF) generate --output "$$tmp"; \
	$(BUF) build -o "$$tmp/schema.binpb"; \
	$(GO) run ./internal/generate -out "$$tmp" "$$tmp/schema.binpb"; \
	$(STATIC) cmd/ostiary run . docs configuration > "$$tmp/docs/configuration.md"; \
	$(STATIC) cmd/ostiary run . docs commands > "$$tmp/docs/commands.md"; \
	drift=; \
	diff -r -u gen "$$tmp/gen" || drift='gen/'; \
	$(BUF) generate $(GATEWAY) --output "$$tmp"; \
	diff -r -u --exclude='*.proto' --exclude='*.yaml' interceptors/gatewayauth/internal "$$tmp/interceptors/gatewayauth/internal" || drift="$${drift:+$$drift and }interceptors/gatewayauth/internal/"; \
	($(EXAMPLES) --output "$$tmp/examples"); \
	diff -r -u examples/gen "$$tmp/examples/gen" || drift="$${drift:+$$drift and }examples/gen/"; \
	for file in docs/configuration.md docs/commands.md docs/api.md interceptors/auth/reason_list.go web/client/src/reasons.ts; do \
		diff -u "$$file" "$$tmp/$$file" || drift="$${drift:+$$drift and }$$file"; \
	done; \
	if [ -n "$$drift" ]; then \
		echo "out of date: $$drift; run 'make generate' and commit the result" >&2; exit 1; \
	fi; \
	echo 'gen/, docs/configuration.md, docs/commands.md, docs/api.md and the lists of reasons are up to date'

# That the rules are asked for: with one of them taken out of a copy of the schema,
# buf lint fails, and so does the server that is generated from it, and both name
# the file and the methods that it was for. Should the server get further it cannot
# bind its address, which is nobody's.
.PHONY: check-rules
check-rules:
	@tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT INT TERM; \
	cp -R proto buf.yaml buf.gen.yaml "$$tmp"; \
	sed '/default_rule/d' proto/ostiary/identity/v1/identity.proto > "$$tmp/proto/ostiary/identity/v1/identity.proto"; \
	fails() { \
		what=$$1; shift; \
		if "$$@" > "$$tmp/log" 2>&1 || \
			! grep -q 'ostiary/identity/v1/identity.proto:.*/ostiary.identity.v1.IdentityService/WhoAmI.*no rule' "$$tmp/log"; then \
			cat "$$tmp/log" >&2; \
			echo "$$what does not fail, by naming file and method, without a rule" >&2; exit 1; \
		fi; \
	}; \
	fails 'buf lint' $(BUF) lint "$$tmp"; \
	$(BUF) generate "$$tmp" --output "$$tmp"; \
	file=gen/ostiary/identity/v1/identity.pb.go; \
	echo "{\"Replace\": {\"$(CURDIR)/$$file\": \"$$tmp/$$file\"}}" > "$$tmp/overlay.json"; \
	$(STATIC) cmd/ostiary build -overlay "$$tmp/overlay.json" -o "$$tmp/ostiary" .; \
	fails 'ostiary serve' env OSTIARY_ISSUER=http://127.0.0.1:1 OSTIARY_DATA_DIR="$$tmp/data" \
		OSTIARY_HTTP_ADDR=192.0.2.1:0 "$$tmp/ostiary" serve; \
	echo 'a rule that is missing fails buf lint and ostiary serve'

.PHONY: check-modules
check-modules:
	$(GO) mod tidy -diff
	$(GO) mod verify

# make test runs their tests.
.PHONY: check-nested
check-nested:
	@for module in $(NESTED); do ( \
		cd $$module; \
		$(GO) mod tidy -diff || { echo "$$module/go.mod is out of date: run 'go mod tidy' there" >&2; exit 1; }; \
		$(GO) vet ./...; \
	); done

# go mod tidy knows no go.work, so it is given a copy of the go.mod that replaces.
.PHONY: check-programs
check-programs:
	@tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT INT TERM; \
	for module in $(PROGRAMS); do ( \
		cp $$module/go.mod $$module/go.sum "$$tmp"; \
		$(GO) mod edit -replace=github.com/ostiary/ostiary=../.. -replace=github.com/ostiary/ostiary/server=../../server -replace=github.com/ostiary/ostiary/interceptors/otelauth=../../interceptors/otelauth "$$tmp/go.mod"; \
		$(GO) -C $$module mod tidy -diff -modfile="$$tmp/go.mod" || { echo "$$module/go.mod or go.sum is out of date: add what is listed" >&2; exit 1; }; \
		$(PROGRAM) $$module vet ./...; \
	); done

# Without its database govulncheck cannot say anything: that is told, loudly, and
# is no failure. Whatever else goes wrong is one, a finding above all. Each module is
# looked at with the versions that its own go.mod names.
.PHONY: check-vulnerabilities
check-vulnerabilities:
	@vuln=$$($(GO) tool -n -modfile=go.check.mod govulncheck); \
	log=$$(mktemp); trap 'rm -f "$$log"' EXIT INT TERM; \
	failed=0; \
	for module in . $(NESTED) $(PROGRAMS); do \
		echo "govulncheck $$module"; \
		if (cd $$module && { $(OWN_WORKSPACE); } && "$$vuln" -db '$(VULNDB)' ./...) > "$$log" 2>&1; then \
			cat "$$log"; \
		elif grep -q '^govulncheck: fetching vulnerabilities: ' "$$log"; then \
			cat "$$log" >&2; \
			echo '############################################################' >&2; \
			echo '# SKIPPED: known vulnerabilities were NOT looked for, as the' >&2; \
			echo '# database did not answer. Set VULNDB to one that does.' >&2; \
			echo '############################################################' >&2; \
			exit $$failed; \
		else \
			cat "$$log" >&2; failed=1; \
		fi; \
	done; \
	exit $$failed

# Modules whose Go API others use.
LIBRARIES = . server interceptors/gatewayauth interceptors/otelauth

# AGAINST is any git reference of this repository.
.PHONY: breaking
breaking: ## Report what breaks users, compared with the last release, or AGAINST=main
	@BUF='$(BUF)' APIDIFF="$$($(GO) tool -n -modfile=go.check.mod apidiff)" MODULES='$(LIBRARIES)' .ci/breaking $(AGAINST)

# With ARGS, such as ARGS=-quick or ARGS='-run cold', it only prints.
.PHONY: bench
bench: ## Measure against other libraries, and write docs/benchmarks.md
	cd bench && $(GO) run . $(or $(ARGS),-out ../docs/benchmarks.md)

# Takes about an hour, most of it partitions. With ARGS, such as ARGS=-quick, it only prints.
.PHONY: bench-attacks
bench-attacks: ## Print how much longer another caller waits during each attack on each port, and while 10,000 streams end, in six minutes; ARGS='-bench Attacks/native/resets' is one
	cd server && $(GO) test -run '^$$' -bench 'Attacks|EndingStreams' -benchtime 5x -timeout 30m $(ARGS) .

.PHONY: bench-fleet
bench-fleet: build ## Measure a fleet whose parts die, and write the figures into docs/fleet.md
	cd bench && $(GO) run ./fleet $(or $(ARGS),-out ../docs/fleet.md)

# Takes about three minutes, and is nothing that make check waits for.
.PHONY: conformance
conformance: ## Compare Connect's conformance suite with and without a guard
	interceptors/testdata/conformance/run

# Shows that every row of the report can be measured, and that every library in
# it verifies. No figure makes it fail.
.PHONY: check-bench
check-bench:
	cd bench; \
	$(GO) mod tidy -diff || { echo "bench/go.mod is out of date: run 'go mod tidy' in bench/" >&2; exit 1; }; \
	$(GO) vet ./...; \
	$(GO) test ./...

.PHONY: build
build: ## Build bin/ostiary
	@[ -e bin/ostiary ] || echo 'Building bin/ostiary. The first time takes about two minutes: SQLite and CEL are compiled too.' >&2
	$(STATIC) cmd/ostiary build $(RELEASED) -o '$(CURDIR)/bin/ostiary' .

RELEASED = -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)'

IMAGE_ROOT ?= $(CURDIR)/bin/image

# GOOS and GOARCH say what for.
.PHONY: image-root
image-root: ## Write the files of the container image to bin/image
	$(STATIC) cmd/ostiary build $(RELEASED) -o '$(IMAGE_ROOT)/usr/bin/ostiary' .
	install -D -m 644 /etc/ssl/certs/ca-certificates.crt '$(IMAGE_ROOT)/etc/ssl/certs/ca-certificates.crt'
	mkdir -p '$(IMAGE_ROOT)/var/lib/ostiary' '$(IMAGE_ROOT)/licenses'
	$(LICENSES) > '$(IMAGE_ROOT)/licenses/THIRD_PARTY_LICENSES'
	cp LICENSE '$(IMAGE_ROOT)/licenses'

# Runs here, whatever the program is built for.
LICENSES = env -u GOOS -u GOARCH $(GO) run ./internal/licenses

.PHONY: image
image: image-root ## Build the container image ostiary with buildah
	buildah bud --format docker --build-context build=bin/image --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) -f deploy/Dockerfile -t ostiary .

# What archives and packages have beside the program.
.PHONY: packaging
packaging: build ## Write completions, manual pages and the licences of dependencies to bin/packaging
	rm -rf bin/packaging && mkdir -p bin/packaging/completions bin/packaging/man
	bin/ostiary completion bash > bin/packaging/completions/ostiary.bash
	bin/ostiary completion zsh > bin/packaging/completions/_ostiary
	bin/ostiary completion fish > bin/packaging/completions/ostiary.fish
	bin/ostiary completion powershell > bin/packaging/completions/ostiary.ps1
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) bin/ostiary docs man bin/packaging/man
	gzip -9n bin/packaging/man/*
	$(LICENSES) > bin/packaging/THIRD_PARTY_LICENSES

# It takes minutes to build, so CI does not.
GORELEASER = $(GO) run github.com/goreleaser/goreleaser/v2@v2.15.1

.PHONY: release
release: ## Build archives and packages for all systems in bin/release; ARGS=--snapshot for what is no release
	$(GORELEASER) release --clean $(ARGS)

.PHONY: clean
clean: ## Remove what was built, and the development issuer's state
	rm -rf bin .ostiary coverage.*
