# Targets are described by `make help`.
GO ?= go
CACHE := .cache
OPENAPI := $(CACHE)/openapi/api.github.com.json
WEBHOOKS := $(CACHE)/webhooks/api.github.com.json
OPENAPI_VERSION := 23.0.2
WEBHOOKS_VERSION := 7.6.1

.PHONY: help build test deps bench lint clean
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

build: ## build ./changegate
	$(GO) build -trimpath -o changegate ./cmd/changegate

deps: $(OPENAPI) $(WEBHOOKS) ## fetch what the tests are held to: GitHub's OpenAPI description and webhook examples

$(OPENAPI):
	@command -v npm >/dev/null || (apt-get update && apt-get install -y npm)
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent @octokit/openapi@$(OPENAPI_VERSION) && \
	  tar xzf octokit-openapi-$(OPENAPI_VERSION).tgz --strip-components=2 package/generated/api.github.com.json && \
	  rm octokit-openapi-$(OPENAPI_VERSION).tgz
	touch $@

$(WEBHOOKS):
	@command -v npm >/dev/null || (apt-get update && apt-get install -y npm)
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent @octokit/webhooks-examples@$(WEBHOOKS_VERSION) && \
	  tar xzf octokit-webhooks-examples-$(WEBHOOKS_VERSION).tgz --strip-components=2 package/api.github.com/index.json && \
	  mv index.json api.github.com.json && rm octokit-webhooks-examples-$(WEBHOOKS_VERSION).tgz
	touch $@

test: deps ## run every test
	$(GO) vet ./...
	$(GO) test ./...

bench: deps ## print the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean: ## remove what was built and fetched
	rm -rf changegate $(CACHE)
