import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.core.test_listeners import HEARS, RAISES, Order, Write, listeners_of, strangers, tell_everything

from vmbackup.errors import BackupError
from vmbackup.trace import VARIABLE, traced

Bring = Callable[..., str]


def lines(text: str) -> list[str]:
    return re.sub(r"in [0-9]+\.[0-9]{6} s", "in S", text).splitlines()


def test_each_call_is_told_with_its_plugin_and_outcome(
    bring: Bring, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bring("listener-a", HEARS)
    bring("listener-b", RAISES.format(moment="vmbackup_vm_started", error="ValueError('my secret')"))
    listeners = listeners_of(tmp_path, [Write("html", Order(), BackupError("my secret"))])
    monkeypatch.setenv(VARIABLE, "1")
    tell_everything(listeners)
    told = capsys.readouterr()
    assert told.out == ""
    assert "secret" not in told.err
    assert lines(told.err) == [
        "vmbackup trace: vmbackup_run_started of listener-a:main: ok in S",
        "vmbackup trace: vmbackup_vm_started of listener-b:main: raised ValueError in S",
        "vmbackup trace: vmbackup_vm_started of listener-a:main: ok in S",
        "vmbackup trace: vmbackup_backup_stored of listener-a:main: ok in S",
        "vmbackup trace: vmbackup_vm_finished of listener-a:main: ok in S",
        "vmbackup trace: vmbackup_run_finished of listener-a:main: ok in S",
        "vmbackup trace: meeting of reporter html: ok in S",
        "vmbackup trace: reporter html: raised BackupError in S",
    ]


def test_registering_is_a_hook_as_well(
    bring: Bring, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bring("listener-a", "@hookimpl\ndef vmbackup_register():\n    raise KeyError\n")
    monkeypatch.setenv(VARIABLE, "1")
    strangers()
    assert lines(capsys.readouterr().err) == [
        "vmbackup trace: vmbackup_register of listener-a:main: raised KeyError in S"
    ]


@pytest.mark.parametrize("value", ["", "0", "no"])
def test_nothing_is_told_unless_it_is_wished_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with traced("x"):
        pass
    assert capsys.readouterr().err == ""


def test_a_name_cannot_speak_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    with traced("a\x1b[2J\nb"):
        pass
    assert lines(capsys.readouterr().err) == ["vmbackup trace: a?[2J?b: ok in S"]
