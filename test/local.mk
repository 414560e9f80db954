# Tests of the tree as a whole. Unit tests stand in the local.mk of the folder they test.

EXTRA_DIST += test/unit/test.h test/fuzz/fuzz.h test/fuzz/run

# To take a test apart costs ten times what it costs to load what was kept of that.
PYCACHE = $(abs_top_builddir)/pycache
FLOW_ENV = PROVBOX_SRCDIR='$(abs_top_srcdir)' PROVBOX_BUILDDIR='$(abs_top_builddir)' \
	PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX='$(PYCACHE)'
# One flow: make check-flow FLOW='-k declined'. In the debugger: FLOW='-n 0 --pdb -k declined'.
FLOW =
# Flows wait more than they compute: four at a time on each core, each with a PostgreSQL of
# its own. A sanitizer computes more.
if SANITIZE
FLOW_JOBS = $$((3 * $$(nproc)))
else
FLOW_JOBS = $$((4 * $$(nproc)))
endif

.PHONY: check-flow format fuzz fuzz-coverage lint mutants soak
check-flow: all
	$(FLOW_ENV) $(PYTHON) -m pytest -p no:cacheprovider -c $(srcdir)/test/pytest.ini \
		-n $(FLOW_JOBS) $(srcdir)/test/flow $(FLOW)

# Long runs: make soak SOAK=kills SOAK_SEED=7 SOAK_KILLS=200. SOAK names a file
# test/flow/test_survives_NAME.py; the same seed does the same again.
SOAK = kills
SOAK_SEED = 1
SOAK_KILLS = 200
soak: all
	$(FLOW_ENV) PROVBOX_SOAK=1 PROVBOX_SOAK_SEED=$(SOAK_SEED) \
		PROVBOX_SOAK_KILLS=$(SOAK_KILLS) $(PYTHON) -m pytest -p no:cacheprovider \
		-c $(srcdir)/test/pytest.ini -s $(SOAK:%=$(srcdir)/test/flow/test_survives_%.py) $(FLOW)

lint: $(manual_pages)
	$(FLOW_ENV) $(PYTHON) -m pytest -p no:cacheprovider -c $(srcdir)/test/pytest.ini \
		-q $(srcdir)/test/lint $(srcdir)/test/flow/test_manual.py -k 'lint or mandoc'

# Each patch of test/mutants takes one check out; a test must notice. One of them:
# make mutants MUTANTS=NAME. What is built for it in mutants.tmp stays for the next time.
MUTANTS =
mutants:
	@$(FLOW_ENV) $(PYTHON) $(srcdir)/test/mutants/run mutants.tmp $(MUTANTS)

# Preloaded into programs under test by test/flow/harness/failing.py and clock.py.
noinst_PROGRAMS += test/fault/failing_calls.so test/fault/shifted_clock.so
test_fault_failing_calls_so_SOURCES = test/fault/failing_calls.c
test_fault_failing_calls_so_CFLAGS = $(AM_CFLAGS) -fPIC
test_fault_failing_calls_so_LDFLAGS = -shared
test_fault_failing_calls_so_LDADD =
test_fault_shifted_clock_so_SOURCES = test/fault/shifted_clock.c
test_fault_shifted_clock_so_CFLAGS = $(AM_CFLAGS) -fPIC
test_fault_shifted_clock_so_LDFLAGS = -shared
test_fault_shifted_clock_so_LDADD =

clean-local:
	rm -rf mutants.tmp pycache soak-*.json package

format:
	cd $(srcdir) && git ls-files -z '*.[ch]' | xargs -0 $(CLANG_FORMAT) -i

# Fuzz targets are programs test/fuzz/fuzz_NAME, added to fuzz_targets by the folder whose
# parser they drive. `make fuzz` runs each for FUZZ_SECONDS, from the samples in
# test/fuzz/corpus/fuzz_NAME; one of them: make fuzz FUZZ=fuzz_http. `make fuzz-coverage`
# shows how many of a parser's lines the samples alone reach.
FUZZ_SECONDS = 20
FUZZ = $(fuzz_targets:test/fuzz/%=%)
FUZZ_RUN = $(PYTHON) $(srcdir)/test/fuzz/run
if FUZZ
noinst_PROGRAMS += $(fuzz_targets)
$(fuzz_targets): LDFLAGS += -fsanitize=fuzzer
fuzz: $(FUZZ:%=test/fuzz/%)
	@$(FUZZ_RUN) fuzz $(FUZZ_SECONDS) $(FUZZ:%=test/fuzz/%)
fuzz-coverage: $(FUZZ:%=test/fuzz/%)
	@$(FUZZ_RUN) coverage $(FUZZ:%=test/fuzz/%)
else
fuzz fuzz-coverage:
	@echo "configure with --enable-fuzz CC=clang first" >&2; exit 2
endif

EXTRA_DIST += test/pytest.ini test/flow test/lint test/mutants test/peers test/soak \
	test/vectors test/fuzz/corpus

# Folders in EXTRA_DIST are copied whole.
dist-hook:
	find $(distdir) -name __pycache__ -prune -exec rm -rf {} +
