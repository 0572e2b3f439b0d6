# make build   bin/korr with the simulator, OpenBLAS and ROS 2
# make test    formatting, vet, staticcheck and every test, as continuous integration runs them
# make fuzz    every fuzz target for a minute (FUZZ="20s ros/" for others), with the number of executions
# make demo    build, then the whole story in a few minutes: bin/korr demo
# make results build, then every table and figure of the documents from seeds: bin/korr results (RESULTS=--quick for a look)
# make install build, then korr, korr-robot and shell completion into PREFIX (default ~/.local)
# make dist    what a release hands out: static robot binaries for amd64 and arm64, licences, checksums, in dist/
#
# Each first makes sure that the C libraries are here (.ci/deps: instant when they are, installs them on Debian and Ubuntu).

SHELL := /bin/bash
TAGS  := mujoco openblas ros2
DEMO  ?=
RESULTS ?=
FUZZ  ?= 60s
PREFIX ?= $(HOME)/.local
# The commit goes into the binaries where this is a checkout of git.
STAMP := -trimpath -buildvcs=auto
# Tests that keep the wall clock, a browser's included, run one package at a time, so that they have the machine to themselves.
CLOCK := ./ros/... ./residual/loop/... ./sim/view/... ./cmd/...
# What a control tick runs through, where a data race would reach the arm.
RACE  := ./residual/... ./basepolicy/... ./koopman/... ./ros/...

.PHONY: build test fuzz demo results install dist deps lint race robot clean

build: deps
	go build $(STAMP) -tags "$(TAGS)" -o bin/korr ./cmd/korr

test: testdeps lint robot
	go test -tags "$(TAGS)" $$(go list ./... | grep -v -E '^korr/(ros|residual/loop|sim/view|cmd)')
	go test -tags "$(TAGS)" -p 1 $(CLOCK)
	$(MAKE) race

fuzz: deps
	@.ci/fuzz $(FUZZ)

demo: build
	bin/korr demo --set eval.randomness=[med] $(DEMO)

results: build
	bin/korr results $(RESULTS)

install: build robot
	@.ci/install "$(DESTDIR)$(PREFIX)"

dist:
	@.ci/dist

deps:
	@.ci/deps

testdeps:
	@.ci/deps test

lint:
	@files=$$(go tool gofumpt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "run: go tool gofumpt -w" $$files; exit 1; }
	go vet -tags "$(TAGS)" ./...
	@# The whole korr must build without a C compiler too.
	CGO_ENABLED=0 go vet ./cmd/korr-robot ./cmd/korr
	go tool staticcheck -tags "$(TAGS)" ./...

# The binary that the arm's computer runs, and nothing else needs to be there: no C compiler, no simulator, no training.
robot:
	CGO_ENABLED=0 go build $(STAMP) -ldflags "-s -w" -o bin/korr-robot ./cmd/korr-robot

race:
	go test -race -short -p 1 $(RACE)

clean:
	rm -rf bin dist
