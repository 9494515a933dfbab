"""The schema takes what the configuration takes, and refuses what it refuses; it is told with the place."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from vmbackup.cli import app
from vmbackup.config_file import load
from vmbackup.config_schema import config_schema
from vmbackup.errors import ConfigError
from vmbackup.registry import Registry
from vmbackup.site import Site

Bring = Callable[..., str]

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
SCHEMA = config_schema(Registry.installed())
POOL = '[pool]\nurl = "https://xen1"\nusername = "root"\npassword = { env = "P" }\n'
TARGET = '[targets.nas]\ntype = "local"\nid = "x"\npath = "/mnt"\n'
JOB = '[jobs.a]\ntargets = ["nas"]\nkeep = { last = 4 }\nvms = [{ match = "*" }]\n'
WHOLE = POOL + TARGET + JOB
MIRRORED = WHOLE.replace("[jobs.a]", '[jobs.a]\nmirrors = ["b"]') + '[mirrors.b]\ntype = "copy"\ntarget = "nas"\n'


def wrong(text: str, schema: dict[str, object] = SCHEMA) -> list[tuple[str, str]]:
    """Where and what the schema finds wrong, each once."""
    found = jsonschema.Draft202012Validator(schema).iter_errors(tomllib.loads(text))
    return sorted({(".".join(str(part) for part in error.absolute_path), error.message) for error in found})


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    done = CliRunner().invoke(app, ["config", "schema"])
    assert json.loads(done.stdout) == SCHEMA


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_it_takes_the_examples(path: Path) -> None:
    assert wrong(path.read_text()) == []


RIGHT = [
    POOL.replace('{ env = "P" }', '"secret"') + TARGET + JOB,
    POOL + '[pool.snapshots]\nkeep-free = "20GiB"\nmax-chain = 5\n' + TARGET + JOB,
    POOL + "snapshots = { keep-free = 0.5 }\n" + TARGET + JOB,
    MIRRORED + "keep = { last = 9 }\nwait = false\n",
    WHOLE.replace("[jobs.a]", '[jobs.a]\nrehearse = { sr = "x", a-week = 3, wait = "port:22", within = "5m" }'),
    WHOLE + '[methods.vdi-export]\nformat = "vhd"\n',
    WHOLE + '[methods.disk]\ntype = "vdi-export"\nformat = "vhd"\n',
    WHOLE + '[methods.vm-export]\ntype = "vdi-export"\nformat = "vhd"\n',
    POOL
    + TARGET
    + TARGET.replace("nas", "b")
    + JOB
    + '[mirrors.m]\ntype = "copy"\ntarget = "b"\nkeep = { last = 2 }\nwait = false\n',
    WHOLE.replace("[jobs.a]", '[jobs.a]\nstall = "1h 30m"\nretry-wait = 5\npool-database = true'),
    WHOLE.replace("[jobs.a]", "[jobs.a]\npool-database = { keep = { last = 3 } }"),
    WHOLE.replace("[jobs.a]", '[jobs.a]\ncompress = { with = "zstd", level = 3, when = "after", worker = true }'),
    WHOLE.replace("[jobs.a]", '[jobs.a]\ncompress = { with = "gzip", when = "host" }'),
]


@pytest.mark.parametrize("text", RIGHT)
def test_it_takes_what_the_configuration_takes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "vmbackup.toml"
    path.write_text(text)
    path.chmod(0o600)
    assert Site(load(path), Registry.installed()).job("a").name == "a"
    assert wrong(text) == []


WRONG = [
    (MIRRORED + "kep = 3\n", "mirrors.b", "'kep' was unexpected"),
    (MIRRORED + 'delete = "soon"\n', "mirrors.b.delete", "'soon' is not of type 'boolean'"),
    ("pol = 1\n" + WHOLE, "", "'pol' was unexpected"),
    (TARGET + JOB, "", "'pool' is a required property"),
    (WHOLE.replace('url = "https://xen1"', "url = 1"), "pool.url", "1 is not of type 'string'"),
    (WHOLE.replace('{ env = "P" }', '{ env = "P", file = "x" }'), "pool.password", "is not valid under any"),
    (WHOLE.replace('type = "local"', 'type = "locl"'), "targets.nas.type", "'locl' is not one of"),
    (WHOLE.replace('type = "local"\n', ""), "targets.nas", "'type' is a required property"),
    (WHOLE.replace("path =", "pth ="), "targets.nas", "'pth' was unexpected"),
    (WHOLE.replace('path = "/mnt"\n', ""), "targets.nas", "'path' is a required property"),
    (WHOLE.replace("nas]", '"n s"]'), "targets", "'n s' do"),
    (WHOLE + '[methods.disk]\nformat = "vhd"\n', "methods.disk", "'type' is a required property"),
    (WHOLE + '[methods.vdi-export]\nformat = "vdh"\n', "methods.vdi-export.format", "'vdh' is not one of"),
    (WHOLE.replace("last = 4", "last = 0"), "jobs.a.keep.last", "0 is less than the minimum of 1"),
    (WHOLE.replace("[jobs.a]", '[jobs.a]\nstall = "90 x"'), "jobs.a.stall", "is not valid under any"),
    (WHOLE.replace("[jobs.a]", "[jobs.a]\ncompress = { level = 3 }"), "jobs.a.compress", "'with' is a required"),
    (
        WHOLE.replace("[jobs.a]", '[jobs.a]\ncompress = { with = "zstd", level = 99 }'),
        "jobs.a.compress.level",
        "99 is greater than the maximum",
    ),
    (
        WHOLE.replace("[jobs.a]", '[jobs.a]\ncompress = { with = "gzip", long = true }'),
        "jobs.a.compress",
        "'long' was unexpected",
    ),
    (
        WHOLE.replace("[jobs.a]", '[jobs.a]\ncompress = { with = "gzip", when = "host", level = 2 }'),
        "jobs.a.compress",
        "'level' was unexpected",
    ),
    (WHOLE + '[mirrors.m]\ntype = "copy"\ntarget = "nas"\nkep = 1\n', "mirrors.m", "'kep' was unexpected"),
    (WHOLE + '[mirrors.m]\ntype = "copy"\nkeep = { last = 0 }\n', "mirrors.m.keep.last", "less than the minimum"),
    (WHOLE + '[reporters.r]\ntype = "json"\npath = 5\n', "reporters.r.path", "5 is not of type 'string'"),
    (WHOLE + '[notifiers.n]\ntype = "email"\nhost = "h"\nfrom = "a@b"\nto = []\n', "notifiers.n.to", ""),
]


@pytest.mark.parametrize(("text", "place", "message"), WRONG)
def test_it_tells_what_is_wrong_and_where(text: str, place: str, message: str) -> None:
    found = wrong(text)
    assert found
    assert [one for one in found if one[0] == place and message in one[1]], found


def test_only_what_a_host_can_compress_with_is_asked_of_it() -> None:
    text = WHOLE.replace("[jobs.a]", '[jobs.a]\ncompress = { with = "none", when = "host" }')
    assert wrong(text) == [("jobs.a.compress.with", "'none' is not one of ['gzip', 'zstd']")]


MINE = """
class Inner(Settings):
    depth: int

class Node(Settings):
    child: "Node | None" = None

class Chain(Notifier):
    name = "chain"
    Settings = Node
    def notify(self, report): pass

class Mine(Reporter):
    name = "my reports/2"
    class Settings(Settings):
        where: str
        inner: Inner
    def write(self, report): pass

@hookimpl
def vmbackup_register():
    return [Mine, Chain]
"""


def test_a_stranger_s_section_is_in_it(bring: Bring) -> None:
    bring("acme-reports", MINE)
    schema = config_schema(Registry.installed())
    jsonschema.Draft202012Validator.check_schema(schema)
    section = '[reporters.r]\ntype = "my reports/2"\nwhere = "x"\n'
    assert wrong(WHOLE + section + "inner = { depth = 3 }\n", schema) == []
    assert wrong(WHOLE + section + 'inner = { depth = "x" }\n', schema) == [
        ("reporters.r.inner.depth", "'x' is not of type 'integer'")
    ]
    chain = '[notifiers.n]\ntype = "chain"\nchild = { child = { chidl = {} } }\n'
    assert [place for place, _ in wrong(WHOLE + chain, schema)] == ["notifiers.n.child.child"]
    said = dict(wrong(WHOLE + section))
    assert said["reporters.r.type"].startswith("'my reports/2' is not one of ['html', 'json'")


def test_a_file_that_the_schema_refuses_is_refused(tmp_path: Path) -> None:
    """The schema never says more than the configuration itself: what it refuses here does not load there either."""
    path = tmp_path / "vmbackup.toml"
    for text, _, _ in WRONG:
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(ConfigError):
            _load_all(path)


def _load_all(path: Path) -> None:
    site = Site(load(path), Registry.installed())
    site.job("a")
    for label, section in site.config.methods.items():
        site.registry.method(label, section)
    for label in site.config.mirrors:
        site.mirror(label)
    for label, section in site.config.reporters.items():
        site.registry.reporter(label, section)
    for label, section in site.config.notifiers.items():
        site.registry.notifier(label, section)
