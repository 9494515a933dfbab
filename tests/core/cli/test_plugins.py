"""`vmbackup plugins`, with strangers' plugins beside ours."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vmbackup.cli import app
from vmbackup.errors import ConfigError, PluginError

Bring = Callable[..., str]

MINE = '''
class MineSettings(Settings):
    """What it may be told."""
    where: str
    max_lines: int = 5

class Mine(Reporter[MineSettings]):
    """Writes \x1b[31mnothing[/].

    More of it.
    """
    name = "mine"
    Settings = MineSettings
    def write(self, report): pass

class Loud(Notifier):
    """Tells nobody."""
    name = "mine"
    def notify(self, report): pass

@hookimpl
def vmbackup_register():
    return [Mine, Loud]
'''


def ran(*arguments: str, code: int = 0, **env: str) -> str:
    done = CliRunner().invoke(app, ["plugins", *arguments], env={"COLUMNS": "200", **env})
    assert done.exit_code == code, done.output
    return done.stdout


def test_the_list_says_what_did_not_load_and_why(bring: Bring) -> None:
    bring("acme-reports", MINE, "2.5")
    bring("acme-broken", "import nothing_of_that_name\n")
    told = ran()
    assert "reporter    mine" in told
    assert "acme-reports 2.5" in told
    assert "Writes ?[31mnothing[/]." in told
    assert "did not load acme-broken (main): ModuleNotFoundError" in told
    found = json.loads(ran("--json"))
    (mine,) = [one for one in found["plugins"] if (one["kind"], one["name"]) == ("reporter", "mine")]
    assert (mine["distribution"], mine["version"]) == ("acme-reports", "2.5")
    assert [one["distribution"] for one in found["failed"]] == ["acme-broken"]


def test_who_hears_of_a_moment_is_listed(bring: Bring) -> None:
    moments = "@hookimpl\ndef vmbackup_vm_started(): pass\n@hookimpl\ndef vmbackup_run_started(): pass\n"
    bring("acme-hears", moments)
    assert "acme-hears:main" in ran()
    assert "hears vmbackup_run_started, vmbackup_vm_started" in ran()
    (heard,) = json.loads(ran("--json"))["listeners"]
    assert heard == {"distribution": "acme-hears:main", "moments": ["vmbackup_run_started", "vmbackup_vm_started"]}


def test_the_settings_of_one(bring: Bring) -> None:
    bring("acme-reports", MINE, "2.5")
    told = ran("show", "reporter:mine")
    assert "reporter mine" in told
    lines = [line.split() for line in told.splitlines()]
    assert ["where", "text", "needed"] in lines
    assert ["max-lines", "whole", "number", "5"] in lines
    found = json.loads(ran("show", "reporter:mine", "--json"))
    assert [(one["key"], one["required"], one["default"]) for one in found["settings"]] == [
        ("where", True, None),
        ("max-lines", False, "5"),
    ]
    assert found["schema"]["required"] == ["where"]


def test_one_without_settings_says_so() -> None:
    assert "It has no settings." in ran("show", "none")


@pytest.mark.parametrize(
    ("said", "told"),
    [("mine", "notifier:mine, reporter:mine"), ("yours", "vmbackup plugins"), ("target:mine", "vmbackup plugins")],
)
def test_one_that_is_not_the_only_one_or_not_there(bring: Bring, said: str, told: str) -> None:
    bring("acme-reports", MINE)
    done = CliRunner().invoke(app, ["plugins", "show", said])
    assert isinstance(done.exception, PluginError)
    assert told in done.exception.advice


def test_what_is_disabled_is_told_by_whatever_it_is_disabled(bring: Bring, tmp_path: Path) -> None:
    bring("acme-reports", MINE)
    config = tmp_path / "vmbackup.toml"
    config.write_text('pool = "not yet"\n[plugins]\ndisabled = ["reporter:mine", "mni"]\n')
    config.chmod(0o600)
    told = ran("--config", str(config), VMBACKUP_DISABLE_PLUGINS="smb")
    assert "notifier    mine" in told
    assert "reporter    mine" not in told
    assert "disabled reporter mine of acme-reports" in told
    assert "disabled target smb of vmbackup" in told
    assert "nothing to disable is called mni" in told
    found = json.loads(ran("--json", VMBACKUP_CONFIG=str(config)))
    assert found["disabled"] == [
        {"word": "reporter:mine", "distribution": "acme-reports", "kind": "reporter", "name": "mine"}
    ]
    assert found["unknown"] == ["mni"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("disabled = 1", "plugins.disabled"), ("disbled = []", "did you mean 'disabled'?"), ("x", "not TOML")],
)
def test_a_section_about_plugins_that_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    config = tmp_path / "vmbackup.toml"
    config.write_text(f"[plugins]\n{text}\n")
    config.chmod(0o600)
    done = CliRunner().invoke(app, ["plugins", "--config", str(config)])
    assert isinstance(done.exception, ConfigError)
    assert told in done.exception.message


def test_an_option_is_never_ignored() -> None:
    done = CliRunner().invoke(app, ["plugins", "--json", "show", "nfs"])
    assert isinstance(done.exception, ConfigError)
    assert "options of show stand behind it" in done.exception.message
