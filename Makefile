# SPDX-License-Identifier: Apache-2.0
# The verbs a person types. Each is a few short lines into a CMake preset or a script: what is built and how stands in
# CMakeLists.txt, what is run stands in the tests. Nothing is done twice: a second run installs and rebuilds nothing.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
# Arguments of `make run` and `make bench`; none are needed: make run ARGS="--model qwen3-30b --sync-group 1"
ARGS ?=
# What `make run` runs: all that there is, in some seconds. Of an option that is given twice, ARGS among it, the last
# counts.
RUN = --model deepseek-v2-lite --attention 2 --ffn 2 --micro-batches 3 --batch 32 --layers 8

# The version of gcc's ThreadSanitizer in Debian 12 does not start where the kernel randomises addresses by 32 bits.
FIXED_ADDRESSES = $(shell setarch -R true 2>/dev/null && echo setarch -R)

build = cmake --build --preset $(1) --parallel $(JOBS) -- --no-print-directory
test = ctest --preset $(1) --parallel $(JOBS)
# Many tests wait more than they compute, for workers that die or are late.
check = ctest --preset release --parallel $(shell expr 2 \* $(JOBS))

.DEFAULT_GOAL := help
.NOTPARALLEL:
# Steps follow one another, and --parallel says how many jobs each may use: an outer -j must not reach CMake's make.
unexport MAKEFLAGS
.PHONY: help run check check-long long asan tsan fuzz faults soak aarch64 lint bench install clean

help: ## list these verbs
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

run: ## build, and run attention and FFN workers on this host, everything checked (ARGS="...")
	@tools/packages.sh run
	@test -f build/release/Makefile || cmake --preset release -DAFD_BUILD_TESTS=OFF
	@$(call build,run)
	build/release/src/cli/afd run $(RUN) $(ARGS)

check: ## build, and run the tests: about two minutes of testing
	@tools/packages.sh check
	cmake --preset release -DAFD_BUILD_TESTS=ON
	$(call build,release)
	$(check)

check-long: check long ## check, and everything that takes longer: lint, aarch64, fuzzers, long tests

# One long test after another: each has more threads than most machines have cores.
long:
	@tools/packages.sh long
	tools/lint.sh
	tools/aarch64.sh
	$(MAKE) fuzz
	cmake --preset release -DAFD_BUILD_TESTS=ON
	$(call build,release)
	ctest --preset long

asan: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/packages.sh check
	cmake --preset asan
	$(call build,asan)
	$(call test,asan)

tsan: ## the tests under ThreadSanitizer
	@tools/packages.sh check
	cmake --preset tsan
	$(call build,tsan)
	$(FIXED_ADDRESSES) $(call test,tsan)

fuzz: ## libFuzzer on context and window bytes, for a short while
	@tools/packages.sh long
	cmake --preset fuzz
	$(call build,fuzz)
	$(call test,fuzz)

# As many faults as one likes, N of them from a SEED: 300 take about five minutes.
N ?= 300
SEED ?= $(shell date +%s)
# shm; ucx, over the loopback; or hosts, over UCX with a network namespace for each worker.
TRANSPORT ?= shm
faults: ## strike workers inside the hand-over: kill, stop, cut off, garbage (N=300 SEED=... TRANSPORT=shm|ucx|hosts)
	@tools/packages.sh check
	cmake --preset release -DAFD_BUILD_TESTS=ON
	$(call build,release)
	build/release/tests/faults/campaign $(TRANSPORT) $(N) $(SEED)

MINUTES ?= 10
soak: ## minutes of sessions that die and come again; memory stays flat (MINUTES=10 TRANSPORT=shm|ucx|hosts)
	@tools/packages.sh check
	cmake --preset release -DAFD_BUILD_TESTS=ON
	$(call build,release)
	build/release/tests/faults/soak $(TRANSPORT) $(MINUTES)

aarch64: ## unit and conformance tests as aarch64 under qemu-user, and the orders of the hand-over
	@tools/packages.sh long
	tools/aarch64.sh

lint: ## shellcheck and clang-tidy, kept at zero findings
	@tools/packages.sh long
	tools/lint.sh

bench: ## the table of times, ours beside the plain reference and the floor (ARGS="...")
	@tools/packages.sh run
	@test -f build/release/Makefile || cmake --preset release -DAFD_BUILD_TESTS=OFF
	@$(call build,run)
	build/release/src/cli/afd bench $(ARGS)

install: ## install into PREFIX (default /usr/local); DESTDIR works
	@tools/packages.sh run
	@test -f build/release/Makefile || cmake --preset release -DAFD_BUILD_TESTS=OFF
	@$(call build,install)
	cmake --install build/release --prefix $(PREFIX)

clean: ## remove everything that was built
	cmake -E rm -rf build
