# The commands of the README; each installs what it needs into .venv first.
PYTHON ?= python3
BIN := .venv/bin
DIR ?=
# Many tests wait more than they compute.
WORKERS ?= 4

.PHONY: demo test kerberos check integration bench bench-targets bench-verify bench-compress images clean

demo: .venv/installed
	$(BIN)/vmbackup demo $(if $(DIR),--dir $(DIR))

test: .venv/installed lint
	@PATH="$$PATH:/usr/sbin:/sbin"; for tool in mke2fs:e2fsprogs qemu-img:qemu-utils bsdtar:libarchive-tools curl:curl node:nodejs npm:npm \
	    smbd:samba smbclient:smbclient zstd:zstd gzip:gzip linux.uml:user-mode-linux cc:gcc mount.nfs:nfs-common rpc.nfsd:nfs-kernel-server \
	    rpcbind:rpcbind modprobe:kmod ip:iproute2 iptables-legacy:iptables setquota:quota \
	    ceph-mon:ceph-mon ceph-osd:ceph-osd radosgw:radosgw ceph:ceph-common sshd:openssh-server ssh:openssh-client rsync:rsync promtool:prometheus ngircd:ngircd \
	    chromium:chromium chromedriver:chromium-driver; do \
	    command -v $${tool%%:*} >/dev/null || { echo "$${tool%%:*} is missing: apt-get install $${tool#*:}" >&2; exit 1; }; \
	done
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --durations 15 --cov --cov-report=term --ignore tests/kerberos tests

# Apart from the other tests, for what it needs is built for minutes.
kerberos: .venv/kerberos
	@for tool in krb5kdc:krb5-kdc kadmin.local:krb5-admin-server kinit:krb5-user smbd:samba; do \
	    command -v $${tool%%:*} >/dev/null || { echo "$${tool%%:*} is missing: apt-get install $${tool#*:}" >&2; exit 1; }; \
	done
	$(BIN)/pytest -n auto tests/kerberos

# The quick part: lint, types and unit tests.
check: .venv/installed lint
	$(BIN)/pytest -n $(WORKERS) tests/core tests/plugins

.PHONY: lint
lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases tests benchmarks examples
	$(BIN)/lint-imports

bench: .venv/installed
	PYTHONPATH=. $(BIN)/python benchmarks/bench.py

bench-targets: .venv/installed
	PYTHONPATH=. $(BIN)/python benchmarks/bench_targets.py

bench-verify: .venv/installed
	PYTHONPATH=. $(BIN)/python benchmarks/bench_verify.py

bench-compress: .venv/installed
	PYTHONPATH=. $(BIN)/python benchmarks/bench_compress.py

# The pictures of the documentation, drawn anew.
images: .venv/installed
	PYTHONPATH=. $(BIN)/python -m tests.pictures

clean:
	rm -rf .venv dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/kerberos: .venv/installed
	@command -v krb5-config >/dev/null || { echo "MIT Kerberos is missing: apt-get install libkrb5-dev gcc python3-dev" >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[kerberos]'
	@touch $@

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "venv is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
