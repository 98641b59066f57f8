# Python 3.11 or newer and make are all that is needed. PYTHON=… chooses one.
CANDIDATES = $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
USABLE = import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
FOUND := $(shell for name in $(CANDIDATES); do \
	$$name -c "$(USABLE)" >/dev/null 2>&1 && echo $$name && break; done)
python = $(or $(FOUND),$(error None of "$(CANDIDATES)" is a Python 3.11 or newer with venv and \
	pip. Install one (on Debian also python3-venv) or add PYTHON=/path/to/python))
INSTALL = -m pip install --quiet --disable-pip-version-check --editable

.PHONY: demo test lint types docs screenshots messages clean

demo:  ## a shop and an archive with real photographs, a worker and the admin; DEMO_ARGS=--no-serve
	@exec $(python) example_project/demo.py $(DEMO_ARGS)

test: .venv-test/installed  ## the tests, on SQLite; TEST_ARGS="-k similar"
	@.venv-test/bin/python -m pytest $(TEST_ARGS)

lint: .venv-dev/installed
	@.venv-dev/bin/ruff check
	@.venv-dev/bin/ruff format --check

types: .venv-dev/installed
	@.venv-dev/bin/mypy
	@cd example_project && ../.venv-dev/bin/mypy .
	@TEST_TYPES=1 .venv-dev/bin/python -m pytest -q tests/docs/test_types.py

docs: .venv-docs/installed
	@.venv-docs/bin/sphinx-build -q -W --keep-going -n -b html docs docs/_build/html

screenshots: .venv-dev/installed  ## the pictures of the documentation, with Chromium
	@.venv-dev/bin/python example_project/screenshots.py

.venv-test/installed .venv-dev/installed .venv-docs/installed: .venv-%/installed: setup.cfg
	@echo "Installing into .venv-$* …"
	@$(python) -m venv --clear .venv-$*
	@.venv-$*/bin/python $(INSTALL) ".[$*]"
	@touch $@

messages: .venv-test/installed  ## collect the texts to translate, and compile; needs gettext
	@cd django_visualsnoop && \
	../.venv-test/bin/django-admin makemessages --all --no-obsolete --add-location file && \
	../.venv-test/bin/django-admin compilemessages

clean:
	@rm -rf .demo .venv-test .venv-dev .venv-docs build dist docs/_build *.egg-info
