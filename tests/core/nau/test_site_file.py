import re
from pathlib import Path

import pytest

from vmbackup.errors import ConfigError
from vmbackup.nau.reading import Scalars
from vmbackup.nau.site_file import surroundings

PRINT = "ab" * 32
PAGE = Path(__file__).parents[3] / "docs" / "from-nau.md"


def file(folder: Path, text: str) -> Path:
    path = folder / "nau.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_pool_comes_from_the_options_or_the_file(tmp_path: Path) -> None:
    own = file(tmp_path, f'[pool]\nurl = "https://xen1"\nusername = "backup"\ntls = {{ fingerprint = "{PRINT}" }}\n')
    trusted = {"fingerprint": PRINT}
    assert surroundings(own, None, None).pool("x") == {
        "username": "backup",
        "password": "x",
        "url": "https://xen1",
        "tls": trusted,
    }
    other = surroundings(own, "https://xen2", None).pool("x")
    assert (other["url"], other["username"], "tls" in other) == ("https://xen2", "backup", False)
    assert surroundings(own, "https://xen1", None).pool("x")["tls"] == trusted
    pinned = surroundings(own, "https://xen2", "CD:" * 31 + "CD").pool("x")
    assert pinned["tls"] == {"fingerprint": "sha256:" + "cd" * 32}


def test_nobody_said_which_pool(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which pool") as raised:
        surroundings(file(tmp_path, ""), None, None).pool("x")
    assert "--pool https://HOST --fingerprint" in raised.value.advice
    assert "/etc/vmbackup/nau.toml" in raised.value.advice


def test_what_stood_in_the_source_of_the_script_stands_in_the_file(tmp_path: Path) -> None:
    own = file(tmp_path, '[defaults]\nmax_backups = 9\nbackup_dir = "/mnt/nau"\nstatus_log = "/mnt/log"\n')
    assert surroundings(own, None, None).file.defaults.scalars == Scalars(
        max_backups=9, backup_dir=Path("/mnt/nau"), status_log=Path("/mnt/log")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pool]\nurl = 'http://xen1'\n", r"nau\.toml:2: pool\.url: .*in clear"),
        ("[pool]\nurll = 'https://xen1'\n", r"nau\.toml:\d: pool\.url: this key is missing"),
        ("[defaults]\nmax-backup = 1\n", r"nau\.toml:2: defaults\.max-backup: there is no such key; did you mean"),
        ("[pool\n", r"nau\.toml: not TOML"),
    ],
)
def test_what_is_wrong_with_the_file_is_told_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        surroundings(file(tmp_path, text), None, None)


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    own = file(tmp_path, "")
    with pytest.raises(ConfigError, match="is not the URL of a pool"):
        surroundings(own, "xen1", None)
    with pytest.raises(ConfigError, match="--fingerprint: a SHA-256 fingerprint has 64"):
        surroundings(own, None, "abc")
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        surroundings(tmp_path / "absent.toml", None, None)


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE))
def test_what_the_page_shows_is_read(block: str, tmp_path: Path) -> None:
    text = block.replace("sha256:…", f"sha256:{PRINT}")
    assert surroundings(file(tmp_path, text), None, None).pool("x")["url"] == "https://xen1.example.edu"


def test_the_state_folder_is_the_given_one_or_that_of_the_file(tmp_path: Path) -> None:
    own = surroundings(file(tmp_path, 'state = "/srv/vmbackup"\n'), None, None)
    assert own.state(None) == Path("/srv/vmbackup")
    assert own.state(Path("/other")) == Path("/other")
