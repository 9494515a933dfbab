import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import vm
from tests.core.nau.readings import POOL, job, reading

from vmbackup.config import Config
from vmbackup.nau.agreement import differences, taken
from vmbackup.nau.conversion import Converted, config_of, convert, job_name
from vmbackup.nau.reader import read
from vmbackup.nau.reading import Dialect, Scalars
from vmbackup.nau.texts import EXAMPLE
from vmbackup.nau.written import text_of

ALL = """\
pool_db_backup=1
max_backups=2
backup_dir=/mnt/my "backups"
status_log=/var/log/nau.log
vdi_export_format=vhd
exclude=PROD-old
vm-export=(PROD|DEV)-[0-9]+:5
vdi-export=PROD-.*
vm-export=it's\\.
"""


def written(converted: Converted) -> str:
    return text_of(converted, POOL, {"url": "where it is"})


def whole() -> Converted:
    found = read("my jobs/A b.cfg", ALL.encode(), None, Scalars(), ignore_extra_keys=False)
    mail: dict[str, object] = {
        "ops": {"type": "email", "host": "smtp.example.edu", "to": ["a@example.edu"], "password": {"file": "/x"}}
    }
    disk: dict[str, object] = {"filesystem": "ABCD-0123", "path": "/elsewhere"}
    return convert(found, compress=True, identity="an-id", state="/var/lib/x", more={"notifiers": mail, "target": disk})


def test_what_is_written_is_what_is_run() -> None:
    converted = whole()
    tree = tomllib.loads(written(converted))
    assert tree == converted.tree(POOL)
    assert Config.model_validate(tree) == config_of(converted, POOL)
    assert tree["jobs"]["A-b"]["compress"] == {"with": "gzip"}
    assert tree["jobs"]["A-b"]["pool-database"] is True
    assert tree["methods"] == {"vdi-export": {"format": "vhd"}}
    assert tree["targets"]["backups"] == {
        "type": "local",
        "id": "an-id",
        "path": '/mnt/my "backups"',
        "filesystem": "ABCD-0123",
    }
    assert tree["reporters"] == {"status": {"type": "status-log", "path": "/var/log/nau.log"}}


@pytest.mark.parametrize(
    "line",
    [
        'path = "/mnt/my \\"backups\\""    # line 3: backup_dir',
        "keep = { last = 2 }    # line 2: max_backups",
        'match = "PROD-old"    # line 6: exclude=PROD-old',
        r"""match = "/(?!PROD-)(?!it's\\.)(?:(PROD|DEV)-[0-9]+)(?s:.*)/"    # line 7: vm-export=(PROD|DEV)-[0-9]+:5""",
        "match = \"it's.*\"    # line 9: vm-export=it's\\.",
        'url = "https://xen1.example.edu"    # where it is',
    ],
)
def test_each_line_says_where_it_comes_from(line: str) -> None:
    assert line in written(whole()).splitlines()


def test_what_is_told_of_the_lines_stands_above() -> None:
    converted = convert(reading("vm-export=DEV-RH6:1 ; vm-export=DEV.*"))
    text = written(converted)
    assert "# weekend.cfg:1: vm-export=DEV-RH6: its own number of copies is lost" in text
    assert "# Before the first run, once: vmbackup nau PASSWORD-FILE weekend.cfg init" in text
    assert "as NAU VMbackup has it where nothing is said" in text


@given(st.text())
def test_no_name_breaks_out_of_its_line(name: str) -> None:
    data = f'vm-export="{name.replace(chr(34), "")}x"\n'.encode(errors="replace")
    lines = [line for line in data.decode().split("\n") if line]
    if len(lines) == 1 and "=" not in name:
        converted = convert(read("a.cfg", data, Dialect.V3_0, Scalars(), ignore_extra_keys=False))
        assert tomllib.loads(written(converted)) == converted.tree(POOL)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("weekend.cfg", "weekend"),
        ("/etc/nau/my jobs.cfg", "my-jobs"),
        ("selector", "selector"),
        ("ü.cfg", "u"),
        ("---.cfg", "unnamed"),
        ("a" * 99, "a" * 64),
    ],
)
def test_the_job_is_called_as_its_file(path: str, name: str) -> None:
    assert job_name(read(path, b"vm-export=a", None, Scalars(), ignore_extra_keys=False)) == name


def test_the_example_that_is_printed_is_that_of_the_examples() -> None:
    assert (Path(__file__).parents[3] / "examples" / "weekend.cfg").read_text() == EXAMPLE


def test_two_that_take_the_same_do_not_differ_and_others_do() -> None:
    found = reading("vm-export=DEV.*:3 ; vdi-export=web ; exclude=DEV-old")
    vms = [vm(name) for name in ("DEV-1", "DEV-old", "web", "mail")]
    assert taken(found, vms) == 2
    assert list(differences(found, job(found), vms)) == []
    other = job(reading("vm-export=DEV.*:2 ; vm-export=web ; vm-export=mail"))
    assert list(differences(found, other, vms)) == [
        "DEV-1: vm-export, 3 copies by weekend.cfg, vm-export, 2 copies here",
        "DEV-old: not at all by weekend.cfg, vm-export, 2 copies here",
        "web: vdi-export, 4 copies by weekend.cfg, vm-export, 4 copies here",
        "mail: not at all by weekend.cfg, vm-export, 4 copies here",
    ]
