# `make help` lists the targets.
GO ?= go
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
CACHE := .cache

# GitHub's own description of its API, and examples of its webhooks: what the tests hold us, and the simulator, to.
OPENAPI := $(CACHE)/openapi/api.github.com.json
WEBHOOKS := $(CACHE)/webhooks/api.github.com.json
$(OPENAPI): PACKAGE = openapi@23.0.2
$(OPENAPI): MEMBER = package/generated/api.github.com.json
$(WEBHOOKS): PACKAGE = webhooks-examples@7.6.1
$(WEBHOOKS): MEMBER = package/api.github.com/index.json

.PHONY: help build test deps bench clean npm postgresql chromium
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

build: ## build ./changegate
	$(GO) build -trimpath -o changegate ./cmd/changegate

test: deps ## run every test
	$(GO) vet ./...
	$(GO) test ./...

bench: deps ## print the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

deps: $(OPENAPI) $(WEBHOOKS) postgresql chromium ## install what the tests need

$(OPENAPI) $(WEBHOOKS): | npm
	mkdir -p $(@D)
	cd $(@D) && tar xzf "$$(npm pack --silent @octokit/$(PACKAGE))" --to-stdout $(MEMBER) > $(@F).part && rm -f *.tgz && mv $(@F).part $(@F)

# Each installs a Debian package if what it brings is not there.
npm:
	@command -v npm >/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y npm; }

postgresql:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	  { $(SUDO) apt-get update && $(SUDO) apt-get install -y postgresql; }

chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { $(SUDO) apt-get update && $(SUDO) apt-get install -y chromium; }

clean: ## remove what was built and fetched
	rm -rf changegate $(CACHE)
