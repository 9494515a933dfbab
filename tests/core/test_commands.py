"""Commands of the site's own: what they are given, how they end, and what is left of them."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from vmbackup.commands import Commands
from vmbackup.errors import HookFailed, Interrupted


@pytest.fixture
def commands() -> Iterator[Commands]:
    made = Commands()
    yield made
    made.close()


def sh(script: str, *arguments: Path) -> list[str]:
    return ["sh", "-c", script, "sh", *map(str, arguments)]


def test_a_command_gets_its_words_and_its_input(commands: Commands, tmp_path: Path) -> None:
    commands.run(["sh", "-c", 'echo "$2" > "$1"; cat >> "$1"', "sh", str(tmp_path / "out"), "$HOME *"], "given", 10)
    assert (tmp_path / "out").read_text() == "$HOME *\ngiven"


def test_input_that_nobody_reads_is_no_problem(commands: Commands) -> None:
    commands.run(["true"], "x" * 1_000_000, 10)
    commands.run(["true"], "", 10)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sh", "-c", "echo to one; echo to two >&2; exit 3"], "ended with code 3: to one\nto two"),
        (["sh", "-c", "kill -TERM $$"], "was killed by signal 15"),
        (["/no/such/program"], "could not be started: No such file or directory"),
        (["echo", "\0"], "could not be started: embedded null byte"),
        (["/etc/passwd"], "could not be started: Permission denied"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_went_wrong_is_told_and_the_next_one_runs(commands: Commands, words: list[str], message: str) -> None:
    with pytest.raises(HookFailed) as caught:
        commands.run(words, "", 10)
    assert caught.value.message == message
    commands.run(["true"], "", 10)


def test_of_what_it_says_the_last_is_kept(commands: Commands) -> None:
    with pytest.raises(HookFailed) as caught:
        commands.run(["sh", "-c", "yes | head -c 3000000; echo the end; exit 1"], "", 30)
    assert caught.value.message.endswith("the end")
    assert len(caught.value.message) < 5000


def test_one_that_is_too_slow_is_killed_with_all_that_it_has_started(commands: Commands, tmp_path: Path) -> None:
    with pytest.raises(HookFailed, match=r"had not ended after 0\.5 s, and was killed: begun"):
        commands.run(sh('sleep 1000 & echo $! > "$1"; echo begun; wait', tmp_path / "pid"), "", 0.5)
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_what_it_leaves_running_does_not_hold_it_up(commands: Commands, tmp_path: Path) -> None:
    commands.run(sh('sleep 1000 & echo $! > "$1"', tmp_path / "pid"), "", 60)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_no_secret_of_the_environment_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOL_PASSWORD", "canary")
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    commands = Commands()
    commands.run(sh('env > "$1"; pwd >> "$1"', tmp_path / "env"), "", 10)
    commands.close()
    said = (tmp_path / "env").read_text().splitlines()
    assert not any("canary" in line for line in said)
    assert "LC_TIME=C.UTF-8" in said
    assert f"PATH={os.environ['PATH']}" in said
    assert said[-1] == "/"


@pytest.fixture
def interruptible() -> Iterator[None]:
    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_stops_it(commands: Commands, tmp_path: Path) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with pytest.raises(Interrupted):
        commands.run(sh('sleep 1000 & echo $! > "$1"; wait', tmp_path / "pid"), "", 60)
    commands.run(["true"], "", 10)
    assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.usefixtures("interruptible")
def test_one_that_has_to_come_to_its_end_does(commands: Commands, tmp_path: Path) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    commands.run(sh('sleep 1; touch "$1"', tmp_path / "done"), "", 60, to_its_end=True)
    assert (tmp_path / "done").exists()
    assert commands.interrupted is not None


def test_that_the_process_which_runs_them_is_gone_is_told(tmp_path: Path) -> None:
    commands = Commands()
    with pytest.raises(HookFailed, match="does not answer"):
        commands.run(sh("echo $$ > $1; kill -KILL $PPID; exec sleep 1000", tmp_path / "pid"), "", 60)
    with pytest.raises(HookFailed, match=r"gone|does not answer"):
        commands.run(["true"], "", 60)
    commands.close()
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def is_gone(number: int) -> bool:
    """Whether that process has ended, within a while; one that nobody has waited for yet counts."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False
