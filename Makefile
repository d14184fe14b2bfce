# Every target that does something for people has a "##" line: `make help` prints those.

ARCH := $(if $(filter aarch64,$(shell uname -m)),arm64,x64)
# The project's own Node, which also becomes part of the executable.
NODE := node_modules/node-linux-$(ARCH)/bin/node
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo)
BIN := $(NODE) node_modules/.bin

BUILD_INPUTS := main.ts package.json package-lock.json \
	$(shell find runtime installer build -name '*.ts') $(shell find installer/assets -type f) \
	docs/man/dockroot.8.in
SHELL_FILES = $(shell scripts/list-shell-files)

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

SETUPS := $(addprefix setup-,modules build check demo bench test \
	test-unit test-binary test-root test-vm test-faults)
.PHONY: setup $(SETUPS)
setup: setup-test setup-check ## Install all that building, checking and testing need
$(SETUPS): setup-%:
	@scripts/setup $*

.PHONY: build
build: setup-build dist/dockroot ## Make the executable, dist/dockroot

# SLIM=0: an executable with a whole Node in it, where slimming a new one fails (build/README.md).
SLIM ?= 1
export SLIM
# Is there where the last build was of that kind.
SLIM_MARK := .cache/build/slim-is-$(SLIM)
$(SLIM_MARK):
	@mkdir -p $(@D)
	@rm -f $(@D)/slim-is-*
	@touch $@

dist/dockroot: $(BUILD_INPUTS) $(SLIM_MARK) | setup-build
	$(NODE) build/build.ts

PAGES := $(addprefix dist/,dockroot.8 completion.bash completion.zsh completion.fish)
.PHONY: pages
pages: $(PAGES) ## Make the manual page and the completions
$(PAGES) &: $(BUILD_INPUTS) | setup-modules
	$(NODE) build/make-pages.ts

dist/LICENSE.modules: build/collect-licenses.ts build/make-licenses.ts dist/dockroot
	$(NODE) build/make-licenses.ts

# What a package ships. No hooks: one that merely lies there would be in the next initramfs, and stop a
# machine that boots no image. `dockroot install` puts them in place.
SHIPPED := dist/dockroot $(PAGES) dist/LICENSE.modules
PREFIX ?= /usr
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/site-functions
LICENSES ?= $(PREFIX)/share/licenses/dockroot
.PHONY: shipped
shipped: $(SHIPPED)
.PHONY: install
install: $(SHIPPED) ## Install the files that a package ships: DESTDIR=, PREFIX=/usr
	@scripts/install-files '$(DESTDIR)' '$(PREFIX)' '$(ZSH_COMPLETIONS)' '$(LICENSES)'

.PHONY: schemas
schemas: setup-modules ## Write docs/schema, the JSON Schemas of what dockroot prints, from build/schemas
	$(NODE) build/schemas/make-schemas.ts

.PHONY: deb
deb: $(SHIPPED) ## Make a package for Debian and Ubuntu, dist/dockroot_*.deb
	@packaging/deb/make-deb dist

# The demo's image store, and the filesystem of its disk.
DEMO_OPTIONS = $(if $(STORE),--store=$(STORE)) $(if $(FS),--fs=$(FS))

.PHONY: demo
demo: setup-demo dist/dockroot ## Boot a machine from a Docker image, upgrade it, and roll back: [STORE=btrfs|overlay2|containerd|podman] [FS=btrfs|ext4|xfs]
	$(AS_ROOT) $(NODE) demo/demo.ts $(DEMO_OPTIONS)

.PHONY: demo-shell
demo-shell: setup-demo dist/dockroot ## The demo's machine with a login on this terminal; its disk stays until make clean or make demo
	$(AS_ROOT) $(NODE) demo/demo.ts --shell $(DEMO_OPTIONS)

.PHONY: check
check: setup-check ## Check types, rules, format and shell scripts
	$(BIN)/tsc --project .
	$(BIN)/eslint .
	$(BIN)/prettier --check --log-level warn .
	shellcheck $(SHELL_FILES)

.PHONY: format
format: setup-modules ## Bring all files into prettier's format
	$(BIN)/prettier --write --log-level warn .

# Where something cannot be installed, the rungs that need it are skipped, or failed with CI=true.
.PHONY: test
test: dist/dockroot ## Run the tests that every change must pass: all rungs, campaigns by sample
	@scripts/setup test || echo "Going on without: tests that need it are skipped, or fail with CI=true"
	@$(NODE) test/run.ts

.PHONY: test-all
test-all: dist/dockroot ## Run all tests: every combination, whole campaigns of faults
	@scripts/setup test || echo "Going on without: tests that need it are skipped, or fail with CI=true"
	@$(NODE) test/run.ts --all

# One rung, with all that `make test` leaves out of it.
.PHONY: test-unit
test-unit: setup-test-unit ## Run the unit tests: decisions and parsers
	@$(NODE) test/run.ts --all unit

.PHONY: test-binary
test-binary: setup-test-binary dist/dockroot ## Run the tests of the built executable
	@$(NODE) test/run.ts --all binary

.PHONY: test-root
test-root: setup-test-root dist/dockroot ## Run the tests on real btrfs and dockerd (as root)
	@$(NODE) test/run.ts --all root

.PHONY: test-vm
test-vm: setup-test-vm dist/dockroot ## Run the tests that boot machines in QEMU (as root)
	@$(NODE) test/run.ts --all vm

# FAULTS=n bounds the campaigns of power cuts, helper calls, kills, I/O errors and full disks by a number
# instead of by their time; FAULTS=all: all that there are. The others are always whole.
.PHONY: test-faults
test-faults: setup-test-faults dist/dockroot ## Inject faults (as root): power cuts, failing helpers, full disks, ...
	@$(NODE) test/run.ts --all faults

# RUNS=n: how often each is measured. ENTRY=name: that entry alone. BEFORE=file: another dockroot beside.
.PHONY: bench
bench: setup-bench dist/dockroot ## Measure, next to what it is measured by; print tables (as root)
	@$(AS_ROOT) $(NODE) bench/bench.ts $(if $(RUNS),--runs=$(RUNS)) \
		$(if $(ENTRY),--only=$(ENTRY)) $(if $(BEFORE),--before=$(BEFORE))

.PHONY: bench-plot
bench-plot: setup-modules ## Draw docs/boot-time.svg and fill bench/README.md from what was measured last
	@$(NODE) bench/plot/plot.ts

.PHONY: option-table
option-table: setup-modules ## Write the table of docs/kernel-options.md from the program's own
	@$(NODE) build/make-option-table.ts

.PHONY: clean
clean: ## Remove what was built, not what was downloaded
	rm -rf dist .cache/build
	$(if $(wildcard .cache/demo),$(AS_ROOT) rm -rf .cache/demo)

.PHONY: distclean
distclean: clean ## Remove all that git ignores: caches and modules too
	$(AS_ROOT) rm -rf .cache .tap
	rm -rf node_modules
