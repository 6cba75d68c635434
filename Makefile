# Targets call Go and hold no logic. `make` alone prints them.
# make turns every failure into its own status 2: what needs to tell a failed
# run from a broken harness calls bin/soak itself.

.DEFAULT_GOAL := help

# Static programs, and no C compiler needed; only the race detector links with cgo.
export CGO_ENABLED := 0

# The version comes from the checkout, whatever GOFLAGS says.
GO_BUILD := go build -buildvcs=auto -trimpath -o bin/
COMMANDS := ./streamer/cmd/streamer ./fakebinance/cmd/fakebinance ./soak/cmd/soak ./soak/cmd/soaksim ./soak/cmd/canary
# What runs goroutines side by side, for the race detector.
CONCURRENT := ./streamer/... ./fakebinance/... ./soak/...
# Before Go 1.27 all goroutines of a synctest bubble lent one race context to
# the timers they ran, and the detector itself crashed (SIGSEGV in
# __tsan::SlotLock) when two of them looked at due timers at one moment. One
# processor lets them do so one after the other; a race is still reported, for
# that takes two accesses without an order, not two at once.
RACE_CPU = $(if $(filter go1.26 go1.26.%,$(shell go env GOVERSION)),-cpu 1)

CAPTURE ?=
SPEED ?= 1
SEED ?=
SCALE ?=
BROKERS ?=
PLAN ?=
DAYS ?=
SEEDS ?=
SHARE ?=
WITHIN ?=
ROUNDS ?=
RUN ?= runs/latest
FUZZTIME ?= 30s
BENCHTIME ?= 1s
TRADES ?= 10000000

.PHONY: help build test race fuzz bench lint alerts faults audit-large canaries sim-canaries image-canaries soak soak-1h soak-5h soak-12h soak-24h soak-30d fuzz-sim sweep leak-power rounds rounds-kafka rounds-kafka3 deployments images clients report clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9 -]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

build: ## build the commands into bin/
	$(GO_BUILD) $(COMMANDS)

test: ## run all tests (under 5 minutes on 2 cores, no Docker)
	go test ./...

test-containers: ## run the tests of the containers' testbed, about 2 minutes: trouble, clean-up after kill -9
	scripts/with-docker.sh scripts/images.sh
	STEADFEED_CONTAINERS=1 scripts/with-docker.sh go test -count=1 ./soak/internal/testbed/stack ./soak/internal/fault

race: ## run the tests of the concurrent packages under the race detector, without the longest
	CGO_ENABLED=1 go test -race -short $(RACE_CPU) -timeout 20m $(CONCURRENT)

fuzz: ## fuzz each fuzz target for FUZZTIME
	scripts/fuzz.sh $(FUZZTIME)

bench: build ## benchmarks: hot path, fake exchange, whole processes, and how long a trade takes to be visible
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./streamer/... ./fakebinance/... ./soak/...
	bin/soak bench
	bin/soak rounds -kinds quiet -quiet 20s

lint: ## gofmt, go vet, staticcheck, actionlint, and the alert rules where promtool is there
	scripts/lint.sh

alerts: ## try the alert rules with promtool: each fires in one case and not in another
	scripts/alerts.sh

audit-large: ## audit a topic of 10 million trades with planted faults, in under 100 MB
	$(GO_BUILD) ./soak/cmd/soak
	bin/soak bench-audit -trades $(TRADES)

canaries: build ## convict each canary, acquit the good ones
	bin/soak canaries

sim-canaries: ## the same for what shows in days only, in virtual time: about 10 minutes; SEED=n repeats them
	$(GO_BUILD) ./soak/cmd/soak ./soak/cmd/soaksim
	bin/soak sim-canaries $(if $(SEED),-seed $(SEED))

image-canaries: ## the same for the long plans: images with a loss, two leaks and a dead reconnect, ten minutes each; needs Docker
	scripts/with-docker.sh -need scripts/images.sh
	$(GO_BUILD) ./soak/cmd/soak
	scripts/with-docker.sh -need bin/soak canaries -images $(if $(SEED),-seed $(SEED))

soak: ## the main job: about 4 minutes; CAPTURE=file SPEED=1 replays recorded trades, SEED=n repeats a run
	$(GO_BUILD) ./streamer/cmd/streamer ./soak/cmd/soak
	bin/soak run smoke $(if $(CAPTURE),-capture $(CAPTURE) -speed $(SPEED)) $(if $(SEED),-seed $(SEED))

soak-1h soak-5h soak-12h soak-24h: ## a long run in containers with real Kafka; SCALE=n compresses rotations and injections, BROKERS=3, SEED=n repeats a run
	scripts/with-docker.sh -need scripts/images.sh
	$(GO_BUILD) ./soak/cmd/soak
	scripts/with-docker.sh -need bin/soak run $@ $(if $(SCALE),-scale $(SCALE)) $(if $(BROKERS),-brokers $(BROKERS)) $(if $(SEED),-seed $(SEED))

soak-30d: ## thirty days in virtual time, about 4 minutes; DAYS=n another length, PLAN=month-busy 20 trades a second, SEED=n repeats a run
	$(GO_BUILD) ./soak/cmd/soak ./soak/cmd/soaksim
	bin/soak sim $(if $(PLAN),-plan $(PLAN)) $(if $(DAYS),-days $(DAYS)) $(if $(SEED),-seed $(SEED))

fuzz-sim: ## days full of trouble in virtual time, a seed after another until one fails; WITHIN=1h or SEEDS=n ends it
	$(GO_BUILD) ./soak/cmd/soak ./soak/cmd/soaksim
	bin/soak fuzz-sim $(if $(SEED),-from $(SEED)) $(if $(SEEDS),-seeds $(SEEDS)) $(if $(WITHIN),-within $(WITHIN))

leak-power: ## what the rule about memory finds and what it misses, SERIES (200) generated series a row, four times as many where its answers are split: 2 to 5 minutes
	go test ./soak/internal/leak -count=1 -timeout 30m -run TestPower -v -series $(or $(SERIES),200)

sweep: ## two minutes in virtual time for each write of the streamer and each way to die there; SHARE=0.1 a tenth of it, SEED=n
	$(GO_BUILD) ./soak/cmd/soak ./soak/cmd/soaksim
	bin/soak sweep $(if $(SHARE),-share $(SHARE)) $(if $(SEED),-seed $(SEED))

faults: ## the streamer under each fault of the exchange, one by one, in virtual time: a table; SEED=n repeats a run
	$(GO_BUILD) ./soak/cmd/soak ./soak/cmd/soaksim
	bin/soak faults $(if $(SEED),-seed $(SEED))

rounds: ## exactly once through kills, stops, hand-overs and restarts: ROUNDS of each on an in-memory Kafka, about 2 minutes
	$(GO_BUILD) ./streamer/cmd/streamer ./soak/cmd/soak
	bin/soak rounds -rounds $(or $(ROUNDS),2) -quiet 10s $(if $(SEED),-seed $(SEED))

rounds-kafka: ## the same on a real broker in Docker, ROUNDS (50) of each: 30 to 50 minutes
	$(GO_BUILD) ./streamer/cmd/streamer ./soak/cmd/soak
	scripts/with-docker.sh bin/soak rounds -kafka container -rounds $(or $(ROUNDS),50) $(if $(SEED),-seed $(SEED))

rounds-kafka3: ## one of three real brokers away, ROUNDS (20) times: 15 to 20 minutes
	$(GO_BUILD) ./streamer/cmd/streamer ./soak/cmd/soak
	scripts/with-docker.sh bin/soak rounds -kafka container3 -kinds broker-away -rounds $(or $(ROUNDS),20) $(if $(SEED),-seed $(SEED))

deployments: ## the blue-green deployment script under traffic on real Kafka in Docker, ROUNDS (2) kept and as many taken back
	scripts/with-docker.sh scripts/images.sh
	$(GO_BUILD) ./soak/cmd/soak
	scripts/with-docker.sh bin/soak deploy -rounds $(or $(ROUNDS),2) $(if $(SEED),-seed $(SEED))

images: ## build the images steadfeed/streamer, fakebinance, registry and canary, from nothing but this checkout
	scripts/images.sh

clients: ## other people's clients against the fake exchange: go-binance, and python-binance and ccxt from pip's index
	CLIENTS=1 go test -count=1 -v ./fakebinance/clients

report: build ## write the report of RUN again
	bin/soak report $(RUN)

clean: ## remove bin/ and runs/
	rm -rf bin runs
