import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from vmbackup.config import Config
from vmbackup.config_file import ConfigFile, ConfigProblem, find, load, problems_of
from vmbackup.errors import ConfigError
from vmbackup.settings import Settings

POOL = """\
[pool]
url = "https://xen1.example.edu"
username = "backup"
password = { file = "/etc/vmbackup/pool.password" }
"""
FINGERPRINT = "AA:bb" + ":00" * 30
WHOLE = (
    POOL
    + f"""\
tls = {{ fingerprint = "sha256:{FINGERPRINT}" }}

[targets.nas]
type = "local"
id = "0c1f"

[jobs.weekend]
targets = ["nas"]
keep = {{ last = 4 }}
compress = {{ with = "zstd", level = 9 }}
notify = ["ops"]
pool-database = true

[[jobs.weekend.vms]]
match = "PROD-CentOS7-large-user-disks"
method = "vdi-export"

[[jobs.weekend.vms]]
match = "DEV-RH*"
keep = {{ last = 3 }}

[[jobs.weekend.exclude]]
match = "PROD-print*"
"""
)


class Written:
    """A configuration file that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "vmbackup.toml"

    def load(self, text: str | bytes, mode: int = 0o600) -> ConfigFile:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.path.chmod(mode)
        return load(self.path)

    def refusal(self, text: str | bytes, mode: int = 0o600) -> list[str]:
        """The lines of the refusal, without the file's path and without advice."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, mode)
        assert caught.value.exit_code == 2
        lines = [line for line in caught.value.message.splitlines() if not line.startswith("  ")]
        assert all(line.startswith(f"{self.path}:") for line in lines)
        return [line.removeprefix(f"{self.path}:") for line in lines]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def test_a_whole_file(written: Written) -> None:
    config = written.load(WHOLE).config
    job = config.jobs["weekend"]
    assert config.pool.tls is not None
    assert config.pool.tls.fingerprint == "aabb" + "00" * 30
    assert config.targets == {"nas": {"type": "local", "id": "0c1f"}}
    assert [(entry.match, entry.method, entry.keep) for entry in job.vms] == [
        ("PROD-CentOS7-large-user-disks", "vdi-export", None),
        ("DEV-RH*", None, job.vms[1].keep),
    ]
    assert job.vms[1].keep is not None
    assert (job.keep.last, job.vms[1].keep.last) == (4, 3)
    assert [entry.match for entry in job.exclude] == ["PROD-print*"]
    assert job.compress is not None
    assert (job.compress.with_, job.compress.when, job.compress.section) == ("zstd", "during", {"level": 9})
    assert job.pool_database is not None
    assert job.pool_database.keep is None


@pytest.mark.parametrize(("value", "dumped"), [("true", True), ("false", False), ("{ keep = { last = 2 } }", True)])
def test_the_pool_database_is_dumped_where_it_is_said(written: Written, value: str, *, dumped: bool) -> None:
    job = written.load(WHOLE.replace("pool-database = true", f"pool-database = {value}")).config.jobs["weekend"]
    assert (job.pool_database is not None) is dumped


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(written: Written) -> None:
    text = b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode()
    assert written.load(text).config == written.load(WHOLE).config
    assert written.refusal(text.replace(b"keep = { last = 3 }", b"kept = 1")) == [
        "24: jobs.weekend.vms[2].kept: there is no such key; did you mean 'keep'?"
    ]


def test_a_misspelt_key_has_its_line_and_the_right_one(written: Written) -> None:
    assert written.refusal(WHOLE.replace("username", "user-name")) == [
        "1: pool.username: this key is missing",
        "3: pool.user-name: there is no such key; did you mean 'username'?",
    ]


def test_a_key_like_no_other_is_told_those_that_there_are(written: Written) -> None:
    (line,) = written.refusal(POOL + "xyzzy = 1\n")
    assert line.startswith("5: pool.xyzzy: there is no such key; known: url, username, password, tls")


def test_a_misspelt_section(written: Written) -> None:
    assert written.refusal(POOL + "\n[job.weekend]\nkeep = { last = 4 }\n") == [
        "6: job: there is no such key; did you mean 'jobs'?"
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "place"),
    [
        ('match = "DEV-RH*"', 'mtach = "DEV-RH*"', 23, "jobs.weekend.vms[2].mtach"),
        ("keep = { last = 3 }", "keep = { lats = 3 }", 24, "jobs.weekend.vms[2].keep.lats"),
        ("keep = { last = 3 }", "[jobs.weekend.vms.keep]\nlast = 0", 25, "jobs.weekend.vms[2].keep.last"),
        ('match = "PROD-print*"', "match = 7", 27, "jobs.weekend.exclude[1].match"),
        ('method = "vdi-export"', 'method = "v d i"', 20, "jobs.weekend.vms[1].method"),
        ("keep = { last = 4 }", "keep = { last = true }", 13, "jobs.weekend.keep.last"),
        ("keep = { last = 4 }", "keep.last = 4.0", 13, "jobs.weekend.keep.last"),
        ("keep = { last = 4 }", "keep = 4", 13, "jobs.weekend.keep"),
        ('targets = ["nas"]', "targets = []", 12, "jobs.weekend.targets"),
        ('targets = ["nas"]', 'targets = ["nas", "nas"]', 12, "jobs.weekend.targets"),
        ('url = "https://xen1.example.edu"', 'url = "http://xen1.example.edu"', 2, "pool.url"),
        ('url = "https://xen1.example.edu"', 'url = "xen1"', 2, "pool.url"),
        ("AA:bb", "A:bb", 5, "pool.tls.fingerprint"),
        ("password = { file", "password = { fiel", 4, "pool.password.fiel"),
        ('password = { file = "/etc', 'password = { env = "X", file = "/etc', 4, "pool.password"),
        ('"/etc/vmbackup/pool.password"', "5", 4, "pool.password.file"),
        ("[jobs.weekend]", '["jobs"."week end"]\n[jobs.weekend]', 11, "jobs.week end"),
        ("[jobs.weekend]", '["jobs"."weekend."]\n[jobs.weekend]', 11, "jobs.weekend."),
    ],
)
def test_what_is_wrong_has_its_place(written: Written, old: str, new: str, line: int, place: str) -> None:
    assert any(told.startswith(f"{line}: {place}: ") for told in written.refusal(WHOLE.replace(old, new, 1)))


def test_places_inside_inline_tables(written: Written) -> None:
    job = """
[jobs.a]
targets = ["nas"]
keep = { last = 1 }
vms = [
    { match = "a" },
    { match = "b", keep = { lasst = 2 } },
]
"""
    told = written.refusal(POOL + job)
    assert [line.partition(": ")[2].partition(":")[0] for line in told] == [
        "jobs.a.vms[2].keep.last",
        "jobs.a.vms[2].keep.lasst",
    ]
    assert {int(line.partition(":")[0]) for line in told} <= set(range(9, 12))


def test_everything_that_is_wrong_is_told_at_once(written: Written) -> None:
    text = WHOLE.replace("last = 4", "last = 0").replace("username", "usrname").replace("match", "metch")
    places = [re.split(r": ", line)[1] for line in written.refusal(text)]
    assert len(places) == 9
    assert {"pool.username", "pool.usrname", "jobs.weekend.keep.last"} < set(places)
    assert {f"jobs.weekend.vms[{number}].metch" for number in (1, 2)} < set(places)


@pytest.mark.parametrize(
    "text", ["[pool", "a = ", "\t=", "[pool]\n[pool]\n", "a = 1\na = 2\n", b"\xff\xfe[\x00", "x = " + "[" * 100_000]
)
def test_a_file_that_is_no_toml(written: Written, text: str | bytes) -> None:
    (line,) = written.refusal(text)
    assert line.startswith(" not TOML")


def test_a_file_of_ten_megabytes_is_read_like_any_other(written: Written) -> None:
    assert written.load(WHOLE + "#" * (10 << 20)).config.jobs


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_may_write_is_refused(written: Written, mode: int) -> None:
    (line,) = written.refusal(WHOLE, mode)
    assert "may write" in line


SECRETS = [
    (POOL.replace('{ file = "/etc/vmbackup/pool.password" }', '"geheim"')),
    (POOL.replace('{ file = "/etc/vmbackup/pool.password" }', '{ value = "geheim" }')),
    POOL + '[notifiers.ops]\ntype = "mail"\npassword = "geheim"\n',
    POOL + '[notifiers.ops]\ntype = "mail"\nservers = [{ token = "geheim" }]\n',
]


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_with_a_secret_that_others_may_read_is_refused_and_does_not_show_it(
    written: Written, text: str, mode: int
) -> None:
    (line,) = written.refusal(text, mode)
    assert "may read" in line
    assert "geheim" not in line


@pytest.mark.parametrize("text", SECRETS)
def test_a_file_with_a_secret_that_its_owner_alone_may_read_is_fine(written: Written, text: str) -> None:
    assert "geheim" not in repr(written.load(text).config.pool)


def test_a_file_without_secrets_may_be_read_by_all(written: Written) -> None:
    assert written.load(WHOLE, 0o644).config.jobs


def test_a_password_in_the_url_is_not_repeated(written: Written) -> None:
    (line,) = written.refusal(POOL.replace("https://", "https://root:geheim@"))
    assert line.startswith("2: pool.url: ")
    assert "geheim" not in line


def test_a_password_of_a_wrong_type_is_not_repeated(written: Written) -> None:
    lines = written.refusal(re.sub(r"password = .*", 'password = { flie = "geheim" }', POOL))
    assert lines
    assert not any("geheim" in line for line in lines)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load(tmp_path / name)
    assert "--config" in caught.value.advice


def test_the_file_is_the_given_one_then_the_named_one_then_the_usual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VMBACKUP_CONFIG", raising=False)
    monkeypatch.setattr("vmbackup.config_file.DEFAULT_PATHS", (Path("vmbackup.toml"), tmp_path / "etc.toml"))
    with pytest.raises(ConfigError, match=r"vmbackup\.toml nor .*etc\.toml"):
        find(None)
    (tmp_path / "etc.toml").touch()
    assert find(None) == tmp_path / "etc.toml"
    (tmp_path / "vmbackup.toml").touch()
    assert find(None) == Path("vmbackup.toml")
    monkeypatch.setenv("VMBACKUP_CONFIG", "/named.toml")
    assert find(None) == Path("/named.toml")
    assert find(Path("given.toml")) == Path("given.toml")


class Inner(Settings):
    """A section inside a plugin's section."""

    some_port: int = 1


class Outer(Settings):
    """A plugin's section."""

    inner: Inner | None = None
    many: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("section", "place"),
    [({"inner": {"some-prot": 1}}, ("inner", "some-prot")), ({"many": [{"some-prot": 1}]}, ("many", 0, "some-prot"))],
)
def test_suggestions_reach_into_the_sections_of_plugins(section: object, place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(section)
    assert problems_of(caught.value, Outer, ("targets", "nas")) == [
        ConfigProblem(("targets", "nas", *place), "there is no such key; did you mean 'some-port'?")
    ]


def test_problems_that_others_find_are_told_with_their_lines(written: Written) -> None:
    file = written.load(WHOLE)
    file.refuse([])
    with pytest.raises(ConfigError) as caught:
        file.refuse([ConfigProblem(("targets", "nas", "id"), "no"), ConfigProblem((), "nothing at all")])
    assert caught.value.message == f"{file.path}:9: targets.nas.id: no\n{file.path}:1: the file: nothing at all"


def test_keys_are_written_with_dashes_everywhere() -> None:
    assert "pool-database" in Config.model_json_schema()["$defs"]["Job"]["properties"]


@pytest.mark.parametrize(
    ("said", "free"),
    [('"5%"', 0.05), ('"0%"', 0.0), ('"20GiB"', 20 << 30), ('"1.5 TiB"', 1.5 * (1 << 40)), ('"512MiB"', 512 << 20)],
)
def test_what_stays_free_on_an_sr(written: Written, said: str, free: float) -> None:
    margin = written.load(WHOLE + f"\n[pool.snapshots]\nkeep-free = {said}\n").config.pool.snapshots.margin
    assert (margin.free, margin.chain) == (free, 28)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('keep-free = "100%"', "a share of the SR as 5%, or a size as 20GiB"),
        ('keep-free = "20GB"', "a share of the SR as 5%, or a size as 20GiB"),
        ("keep-free = -1", "greater than or equal to 0"),
        ("max-chain = 31", "less than or equal to 30"),
        ("max-chain = 1", "greater than or equal to 2"),
    ],
)
def test_margins_that_make_no_sense_are_refused(written: Written, line: str, message: str) -> None:
    (refusal,) = written.refusal(WHOLE + f"\n[pool.snapshots]\n{line}\n")
    assert "pool.snapshots" in refusal
    assert message in refusal
