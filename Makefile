# `make help` lists the targets.
GO ?= go
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
CACHE := .cache

# GitHub's own description of its API, and examples of its webhooks: what the tests hold us, and the simulator, to.
OPENAPI := $(CACHE)/openapi/api.github.com.json
WEBHOOKS := $(CACHE)/webhooks/api.github.com.json
# What a Compose file may say.
COMPOSE := $(CACHE)/compose/compose-spec.json

# It is run and not linked, so go.mod does not name it.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# As the image is built, so that what is compiled for the tests is compiled for its test too.
export CGO_ENABLED := 0

$(OPENAPI): PACKAGE = openapi@23.0.2
$(OPENAPI): MEMBER = package/generated/api.github.com.json
$(WEBHOOKS): PACKAGE = webhooks-examples@7.6.1
$(WEBHOOKS): MEMBER = package/api.github.com/index.json

.PHONY: help build test lint deps soak bench load clean npm postgresql chromium prometheus
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

build: ## build ./changegate
	$(GO) build -trimpath -o changegate ./cmd/changegate

test: deps lint ## run every test
	$(GO) test ./...

lint: ## look for mistakes with vet and staticcheck
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

soak: deps ## kill the server for some minutes while two hundred pull requests live, on both databases
	$(GO) test -count 1 -v -timeout 60m ./internal/scenario/soak -lives 200

bench: deps ## print the benchmarks, in some minutes
	$(GO) test -p 1 -run '^$$' -bench . -benchmem ./...

load: deps ## measure what docs/operations.md says of speed and size, with nothing else running
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./internal/scenario/load -pulls 10000 -entries 1000000
	$(GO) test -run '^$$' -bench 'Append|Check$$|Export|Verify$$' ./internal/store ./internal/audit

deps: $(OPENAPI) $(WEBHOOKS) $(COMPOSE) postgresql chromium prometheus ## install what the tests need

$(OPENAPI) $(WEBHOOKS): | npm
	mkdir -p $(@D)
	cd $(@D) && tar xzf "$$(npm pack --silent @octokit/$(PACKAGE))" --to-stdout $(MEMBER) > $(@F).part && rm -f *.tgz && mv $(@F).part $(@F)

# The module is read and not linked.
$(COMPOSE):
	mkdir -p $(@D)
	dir=$$($(GO) mod download -json github.com/compose-spec/compose-go/v2@v2.16.2 | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p') && \
	  install -m 644 "$$dir/schema/compose-spec.json" $@

# Each installs a Debian package if what it brings is not there.
npm:
	@command -v npm >/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y npm; }

postgresql:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	  { $(SUDO) apt-get update && $(SUDO) apt-get install -y postgresql; }

chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { $(SUDO) apt-get update && $(SUDO) apt-get install -y chromium; }

prometheus:
	@command -v promtool >/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y --no-install-recommends prometheus; }

clean: ## remove what was built and fetched
	rm -rf changegate $(CACHE)
