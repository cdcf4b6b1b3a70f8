# `make` lists what can be done. Node 20.19 or later is all that a machine needs beforehand.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PNPM_VERSION := 10.33.0
PNPM := .tools/node_modules/.bin/pnpm
BIN := node_modules/.bin
SLITHER_VERSION := 0.11.6
SLITHER := .tools/venv/bin/slither
NODE_TS := node --import tsx
SOLHINT := contracts/node_modules/.bin/solhint --max-warnings 0 --disc --noPoster
FORGE = $(shell $(NODE_TS) contracts/foundry.ts forge)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2 }'

.PHONY: install
install: node_modules/.installed ## install the pinned dependencies

$(PNPM): Makefile
	@node -e 'const [a,b]=process.versions.node.split(".").map(Number); if (a<20||(a===20&&b<19)) { console.error("Node 20.19 or later is needed; this is "+process.versions.node); process.exit(1) }'
	npm install --prefix .tools --no-save --no-audit --no-fund --silent pnpm@$(PNPM_VERSION)
	@touch $@

node_modules/.installed: $(PNPM) pnpm-lock.yaml pnpm-workspace.yaml package.json
	$(PNPM) install --frozen-lockfile --reporter=append-only --silent
	@touch $@

.PHONY: contracts
contracts: install ## compile the contracts
	$(FORGE) build --skip test --silent

.PHONY: abi
abi: contracts ## write the ABIs from the compiled contracts
	$(NODE_TS) contracts/scripts/generateAbi.ts

.PHONY: reference
reference: install ## write the generated reference documents
	$(NODE_TS) scripts/reference.ts

.PHONY: demo
demo: contracts ## fund, quote, lock, run two steps, settle, and print a verified invoice
	scripts/demo.sh

.PHONY: up
up: contracts ## run the whole stack in the foreground until Ctrl-C; state is kept in .local
	$(NODE_TS) scripts/stack.ts up

.PHONY: down
down: install ## stop the stack that `make up` runs
	$(NODE_TS) scripts/stack.ts down

.PHONY: status
status: install ## say which parts of the stack are healthy
	$(NODE_TS) scripts/stack.ts status

.PHONY: reset
reset: install ## stop the stack and forget its chain, databases and keys
	$(NODE_TS) scripts/stack.ts reset

# forge lint compiles without code, and would leave artifacts without code to those who deploy: it has its own folder.
.PHONY: check
check: contracts ## lint, format and types
	$(BIN)/biome ci --error-on-warnings .
	$(FORGE) fmt --check
	FOUNDRY_OUT=.tools/lint/out FOUNDRY_CACHE_PATH=.tools/lint/cache $(FORGE) lint --deny notes
	$(SOLHINT) --config contracts/.solhint.json 'contracts/src/**/*.sol' 'contracts/script/**/*.sol'
	$(SOLHINT) --config contracts/.solhint.interfaces.json 'contracts/src/{interfaces,types}/*.sol'
	$(NODE_TS) contracts/scripts/checkTrees.ts
	$(PNPM) --recursive --workspace-concurrency=2 exec tsc --noEmit -p .

.PHONY: slither
slither: contracts $(SLITHER) ## static analysis of the contracts; installs slither from PyPI into .tools, needs Python 3.9
	mkdir -p .tools/slither
	PATH="$(dir $(FORGE)):$$PATH" FOUNDRY_OUT=.tools/slither/out FOUNDRY_CACHE_PATH=.tools/slither/cache \
		$(SLITHER) . --config-file contracts/slither.config.json --foundry-out-directory .tools/slither/out

$(SLITHER):
	python3 -m venv .tools/venv
	.tools/venv/bin/pip install --quiet --disable-pip-version-check slither-analyzer==$(SLITHER_VERSION)

.PHONY: format
format: install ## format everything
	$(BIN)/biome check --write .
	$(FORGE) fmt

.PHONY: test
test: check ## lint, types, and the tests of contracts, SDKs and services
	$(FORGE) test
	$(BIN)/vitest run

.PHONY: test-contracts
test-contracts: contracts ## the contracts' tests alone
	$(FORGE) test

.PHONY: test-deep
test-deep: contracts ## the contracts' tests with 100,000 fuzz runs and an invariant campaign of 500 x 500 calls: an hour
	FOUNDRY_PROFILE=deep $(FORGE) test

.PHONY: coverage
coverage: install ## coverage of the contracts by unit, fuzz and integration tests, as a table and as lcov.info
	FOUNDRY_OUT=.tools/coverage/out FOUNDRY_CACHE_PATH=.tools/coverage/cache $(FORGE) coverage --report summary --report lcov \
		--no-match-path 'contracts/test/{invariant,gas}/**' --no-match-test 'Gas|Cheaply' \
		--no-match-coverage 'node_modules|contracts/(test|script)/'

.PHONY: mutate
mutate: install ## mutation testing of the contracts, resumed where it was left: `make mutate`, `make mutate FILES="LockLib LineLib"`
	$(NODE_TS) contracts/scripts/mutate.ts $(FILES)

.PHONY: test-unit
test-unit: contracts ## the TypeScript tests alone
	$(BIN)/vitest run

.PHONY: simulate
simulate: install ## aggregators under seeded faults: `make simulate SEEDS=5000`, or one seed with all that happens: `make simulate SEED=17`
	$(if $(SEED),SEED=$(SEED)) $(if $(SEEDS),SEEDS=$(SEEDS)) $(if $(FIRST),FIRST=$(FIRST)) $(NODE_TS) services/oracle-agg/test/simulation/main.ts

.PHONY: e2e
e2e: contracts ## the whole system end to end: faults, tampering, bad input, the openai client
	$(BIN)/vitest run --config vitest.e2e.config.ts

.PHONY: bench-aggregator
bench-aggregator: install ## what one aggregator replica validates, builds and signs: `make bench-aggregator BESIDE=<another checkout>`
	$(NODE_TS) services/oracle-agg/bench/main.ts $(if $(BESIDE),--beside $(BESIDE)) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench
bench: contracts ## latency, capacity and cost beside other gateways: `make bench ONLY=gateway,nginx RATES=100 SECONDS=10`
	$(NODE_TS) scripts/bench/main.ts $(if $(ONLY),--only $(ONLY)) $(if $(RATES),--rates $(RATES)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(filter command line,$(origin SECONDS)),--seconds $(SECONDS)) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(PROBES),--probes $(PROBES)) $(if $(PROFILE),--profile) $(if $(OUT),--out $(OUT))

.PHONY: overspend
overspend: contracts ## try to overspend: bursts, duplicates, kills, moved clocks; fails on a nanocredit too many
	$(NODE_TS) scripts/overspend/main.ts

.PHONY: chaos
chaos: contracts ## kill, pause and cut off parts of the stack under load, and audit what settled: `make chaos PHASES=cut-2-2 SECONDS=20`
	$(NODE_TS) scripts/chaos/main.ts $(if $(PHASES),--phases $(PHASES)) \
		$(if $(filter command line,$(origin SECONDS)),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE)) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(OUT),--out $(OUT))

.PHONY: attacks
attacks: contracts ## attack a running stack with stolen and forged tokens and proofs, and print a table
	$(NODE_TS) scripts/attacks/main.ts

.PHONY: runbooks
runbooks: contracts ## make each trouble of docs/RUNBOOKS.md under traffic, and run its commands as written: `make runbooks ONLY="A share is lost"`
	$(NODE_TS) scripts/runbooks/main.ts $(if $(ONLY),"$(ONLY)")

.PHONY: load
load: contracts ## a soak of the running stack, and an audit of its books: `make load MINUTES=10 RATE=100`
	$(NODE_TS) scripts/load/main.ts $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)) $(if $(JOBS),--jobs $(JOBS))

.PHONY: verify-ledger
verify-ledger: install ## recompute the ledger of DATABASE_URL: chains, balances, receipts, budgets
	@$(NODE_TS) services/gateway/src/ledger/verifyLedgerCli.ts

.PHONY: clean
clean: ## remove what was built, not what was downloaded
	rm -rf contracts/out/forge contracts/cache .local
