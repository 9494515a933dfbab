"""No file makes the reader crash, and what it reads means the same to our rules as to the old ones."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import vm
from tests.core.nau.readings import job, reading

from vmbackup.errors import ConfigError
from vmbackup.nau.reader import read, read_selector
from vmbackup.nau.reading import Dialect, Scalars
from vmbackup.nau.resolving import remarks, take
from vmbackup.selection import Pattern, select

KEYS = st.sampled_from(
    ("vm-export", "vdi-export", "exclude", "max_backups", "backup_dir", "status_log", "vdi_export_format")
) | st.sampled_from(("pool_db_backup", "Vm-Export", "", "# vm-export", " vm-export ", "vm-export:"))
PIECES = (
    st.sampled_from(
        ("PROD", "DEV-RH", "web", ".", "*", ".*", "+", "?", "[", "]", "[a-z]", "(", ")", "|", "\\", "\\d", "\\P", "{2}")
    )
    | st.sampled_from(
        ("$", "^", ":", ":3", ":x", "=", '"', " ", "#", "(?i)", "(?:", "(?P<n>a)", "(?P=n)", "\\1", "é", "\x00")
    )
    | st.sampled_from(
        ("\u2028", "/", "[[", "&&", "--", "(?>", "(?x)", "++", "/x", "0", "9" * 20, "\t", "(?#", "{,5}", "[^]]")
    )
)
VALUES = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=12)
LINES = st.builds("{}={}".format, KEYS, VALUES) | st.text(max_size=20) | st.just("#")
FILES = st.lists(LINES, max_size=8).map("\n".join).map(lambda text: text.encode(errors="replace")) | st.binary(
    max_size=60
)
NAMES = ["PROD-web", "PROD", "DEV-RH6", "DEV", "web", "web1", "web10", "a.b", "db:5", "", "é", "P", "x\ny"]


def refusal(data: bytes, dialect: Dialect | None, *, ignore: bool) -> str:
    """Read a file and use what was read in all ways; return what it was refused for."""
    try:
        found = read("weekend.cfg", data, dialect, Scalars(), ignore_extra_keys=ignore)
        made = job(found)
    except ConfigError as error:
        return error.message
    assert len(made.vms) <= len(found.rules)
    assert all(note.text for note in (*found.notes, *remarks(found, NAMES)))
    return ""


@settings(max_examples=2000)
@given(data=FILES, dialect=st.sampled_from([None, *Dialect]), ignore=st.booleans())
def test_the_reader_reads_or_refuses_with_a_place(data: bytes, dialect: Dialect | None, ignore: bool) -> None:  # noqa: FBT001
    refused = refusal(data, dialect, ignore=ignore)
    assert all(line.startswith("weekend.cfg:") for line in refused.splitlines())


SELECTORS = st.one_of(
    st.sampled_from(["PROD", "PROD-web", "DEV-RH6", "web1", "web10", "web", ".*", "DEV.*", "DEV-RH.*", "DEV-RH6.*"]),
    st.sampled_from(
        ["web1.*", "web.*", "(DEV|web).*", "web[0-9]+", "(?i)dev", r"\w+1", "w", "D.*6", "PROD-.*", "web1?"]
    ),
)
RULES = st.builds(
    "{}={}{}".format, st.sampled_from(["vm-export", "vdi-export"]), SELECTORS, st.sampled_from(["", ":2", ":7"])
)
OLD_SELECTORS = st.sampled_from(
    ["*", "PROD*", "PROD-web", "DEV*", "DEV-RH*", "DEV-RH6*", "DEV-RH6", "web1*", "web1", "w*"]
)
OLD_RULES = st.builds(
    "{}={}{}".format, st.sampled_from(["vm-export", "vdi-export"]), OLD_SELECTORS, st.sampled_from(["", ":2", ":7"])
)
EXCLUDES = st.builds("exclude={}".format, st.sampled_from(["DEV-RH7", "web10", "PROD-db", "nosuch"]))
VMS = ["PROD", "PROD-web", "PROD-db", "DEV", "DEV-RH6", "DEV-RH7", "DEV-RH66", "DEV-SUSE"]
VMS += ["web", "web1", "web10", "web2", "dev-x", "Wx"]


def same(lines: list[str], dialect: Dialect) -> None:
    found = reading("\n".join(lines), dialect)
    made = job(found)
    vms = [vm(name) for name in VMS]
    entries = [Pattern(entry.match) for entry in made.vms]
    chosen = select(entries, [Pattern(entry.match) for entry in made.exclude], vms)
    assert chosen.ties == ()
    ours = {
        one.name: (entry.method or made.method, (entry.keep or made.keep).last)
        for one in vms
        if one.uuid in chosen.taken
        for entry in [made.vms[chosen.taken[one.uuid]]]
    }
    assert ours == {name: (got.method, got.keep) for name in VMS if (got := take(found, name))}


@settings(max_examples=500)
@given(st.lists(RULES | EXCLUDES, max_size=7), RULES)
def test_our_rules_choose_what_the_old_ones_did(lines: list[str], one: str) -> None:
    same([*lines, one], Dialect.V3_25)


@settings(max_examples=500)
@given(st.lists(OLD_RULES | EXCLUDES, max_size=7), OLD_RULES)
def test_our_rules_choose_what_those_of_3_0_did(lines: list[str], one: str) -> None:
    same([*lines, one], Dialect.V3_0)


@given(st.text() | VALUES, st.sampled_from([None, *Dialect]))
def test_a_selector_of_the_command_line_is_read_or_refused(text: str, dialect: Dialect | None) -> None:
    with contextlib.suppress(ConfigError):
        assert read_selector(text, dialect, Scalars()).rules
