from pathlib import Path

import pytest
from tests.core.nau.readings import job, reading

from vmbackup.errors import ConfigError
from vmbackup.nau.reader import read, read_file, read_selector
from vmbackup.nau.reading import Dialect, Scalars


def refused(data: bytes | str, *, ignore: bool = False) -> list[str]:
    given = data if isinstance(data, bytes) else data.encode()
    with pytest.raises(ConfigError) as raised:
        read("a.cfg", given, None, Scalars(), ignore_extra_keys=ignore)
    assert raised.value.exit_code == 2
    return raised.value.message.splitlines()


def test_lines_are_read_as_ever() -> None:
    data = b"\xef\xbb\xbf# a comment\r\n\r\n \t \n  max_backups =  7 \r\n#vm-export=a\nvm-export = my vm :2\r\n"
    found = read("a.cfg", data, Dialect.V3_0, Scalars(), ignore_extra_keys=False)
    assert found.scalars.max_backups == 7
    assert found.lines == {"max_backups": 4}
    assert [(rule.number, rule.written, rule.keep) for rule in found.rules] == [(6, "my vm ", 2)]


def test_all_that_is_wrong_with_lines_is_told_at_once() -> None:
    assert refused(b"vm-export a\nvm-export=(?=a)\n # x\n  # vm-export=a\nvm-exprot=a\n\xff=1\nvm-export=ok\n") == [
        "a.cfg:1: there is no = in 'vm-export a'",
        "a.cfg:2: there is more than one = in 'vm-export=(?=a)', and no value can hold one",
        "a.cfg:3: a # is a comment only as the first character of its line",
        "a.cfg:4: a # is a comment only as the first character of its line",
        "a.cfg:5: there is no key 'vm-exprot'",
        "a.cfg:6: this line is not text in UTF-8",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("max_backups=0", "max_backups: at least 1 copy is kept, not 0"),
        ("max_backups=many", "max_backups: 'many' is no whole number"),
        ("max_backups=1" + "0" * 5000, "is no whole number"),
        ("max_backups=3 # weekly", "nothing may stand behind a value, not even a comment"),
        ("pool_db_backup=yes", "pool_db_backup: 'yes' is no whole number"),
        ("pool_db_backup=2", "pool_db_backup: it is 0 or 1, not 2"),
        ("vdi_export_format=VHD", "vdi_export_format: it is raw or vhd, not 'VHD'"),
        ("backup_dir=snapshots", "backup_dir: 'snapshots' is no absolute path"),
        ("backup_dir=/a/../b", "backup_dir: '/a/../b' is a path with .."),
        ("status_log=/a\x00b", "is no path"),
        ("max_backups=", "max_backups: '' is no whole number"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_line(line: str, message: str) -> None:
    (problem,) = refused(f"vm-export=a\n{line}\n")
    assert problem.startswith("a.cfg:2: ")
    assert message in problem


def test_a_setting_that_stands_twice_is_refused() -> None:
    assert refused("max_backups=3\nvm-export=a\nmax_backups=4\n") == [
        "a.cfg:3: max_backups stands on line 1 already; leave one out"
    ]


def test_what_is_not_said_is_as_it_was_or_as_the_site_says() -> None:
    found = reading("vm-export=a")
    assert found.scalars == Scalars(
        pool_db_backup=False,
        max_backups=4,
        backup_dir=Path("/snapshots/BACKUPS"),
        status_log=None,
        vdi_export_format="raw",
    )
    site = Scalars(backup_dir=Path("/mnt/nau"), max_backups=9)
    assert read("a", b"vm-export=a\nmax_backups=2", None, site, ignore_extra_keys=False).scalars == Scalars(
        backup_dir=Path("/mnt/nau"), max_backups=2
    )


def test_quotes_around_a_path_are_left_off_and_told() -> None:
    found = reading("backup_dir='/mnt/nau' ; vm-export=a")
    assert found.scalars.backup_dir == Path("/mnt/nau")
    assert [(note.number, "quotes are left off" in note.text) for note in found.notes] == [(1, True)]


def test_keys_that_are_not_known_are_passed_over_where_that_is_wanted() -> None:
    found = read("a", b"THREADS=3\nvm-export=a\n", None, Scalars(), ignore_extra_keys=True)
    assert [(note.number, note.text) for note in found.notes] == [
        (1, "there is no key 'THREADS', and it is passed over")
    ]


def test_a_colon_in_quotes_belongs_to_the_name_and_one_behind_them_does_not() -> None:
    found = reading('vm-export="db:5":3 ; exclude="my vm"')
    (rule,) = found.rules
    assert (rule.written, rule.keep, rule.selector.fits("db:5")) == ("db:5", 3, True)
    assert [exclude.selector.fits("my vm") for exclude in found.excludes] == [True]


def test_two_colons_were_an_error_in_3_0() -> None:
    with pytest.raises(ConfigError, match=r"cfg:1: .*more than one colon"):
        reading("vm-export=a:2:3", Dialect.V3_0)


def test_a_file_that_takes_nothing_is_refused() -> None:
    assert "it takes no VM" in refused("max_backups=3\nvdi-export=\n")[0]


def test_a_pattern_that_refers_to_its_groups_is_refused_beside_another() -> None:
    assert job(reading(r"vm-export=(a)-\1")).vms
    with pytest.raises(ConfigError, match=r"cfg:1: .*refers to its own groups"):
        job(reading(r"vm-export=(a)-\1-long ; vm-export=a.*"))


@pytest.mark.parametrize(
    ("text", "kind", "written", "keep"),
    [
        ("web", "vm-export", "web", None),
        ("web:3", "vm-export", "web", 3),
        ("vdi-export=web:3", "vdi-export", "web", 3),
        ("a=b=c", "vm-export", "a=b=c", None),
    ],
)
def test_a_selector_of_the_command_line(text: str, kind: str, written: str, keep: int | None) -> None:
    (rule,) = read_selector(text, None, Scalars()).rules
    assert (rule.kind, rule.written, rule.keep) == (kind, written, keep)


def test_a_selector_with_another_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="'exclude' selects nothing"):
        read_selector("exclude=web", None, Scalars())


def test_a_file_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"weekend\.cfg: cannot be read: No such file"):
        read_file(tmp_path / "weekend.cfg", None, Scalars(), ignore_extra_keys=False)
    (tmp_path / "large.cfg").write_bytes(b"#" * (1 << 20))
    with pytest.raises(ConfigError, match=r"large\.cfg: too large"):
        read_file(tmp_path / "large.cfg", None, Scalars(), ignore_extra_keys=False)
