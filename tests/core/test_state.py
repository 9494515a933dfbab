import json
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from vmbackup.errors import ConfigError, LockHeld
from vmbackup.state import State, default_folder, write_flushed

HOLDER = """
import sys
from pathlib import Path
from vmbackup.state import State

with State(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
"""
ASKER = """
import sys
from pathlib import Path
from vmbackup.state import State

state = State(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(state.installation().id)
"""


@contextmanager
def process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has said its first word."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline()
            yield running
        finally:
            running.kill()


def test_the_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    state = State(tmp_path / "a" / "state")
    for folder in (state.folder, state.journals, state.waiting):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made") as caught:
        State(tmp_path / "file" / "state")
    assert "VMBACKUP_STATE" in caught.value.advice


def test_one_lock_for_two_processes_and_who_comes_second_learns_who_came_first(tmp_path: Path) -> None:
    state = State(tmp_path)
    with process(HOLDER, str(tmp_path), "weekend") as holder:
        with pytest.raises(LockHeld, match=f"process {holder.pid} on ") as caught, state.lock("weekend"):
            pass
        assert "'weekend'" in caught.value.message
        assert re.search(r"since 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\dZ", caught.value.message)
        with state.lock("daily"):
            pass
        holder.communicate("\n")
        with state.lock("weekend"):
            pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with process(HOLDER, str(tmp_path), "weekend") as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with State(tmp_path).lock("weekend"):
            pass


def test_a_lock_in_one_process_is_a_lock_too(tmp_path: Path) -> None:
    state = State(tmp_path)
    with state.lock("weekend"):
        with pytest.raises(LockHeld), state.lock("weekend"):
            pass
        with pytest.raises(LockHeld), State(tmp_path).lock("weekend"):
            pass
    with state.lock("weekend"):
        pass


def test_a_lock_is_given_back_when_its_holder_fails(tmp_path: Path) -> None:
    state = State(tmp_path)

    def fail() -> None:
        with state.lock("weekend"):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()
    with state.lock("weekend"):
        pass


def test_jobs_with_similar_names_have_locks_of_their_own(tmp_path: Path) -> None:
    state = State(tmp_path)
    with state.lock("a.b"), state.lock("a-b"), state.lock("a_b"):
        pass


def test_the_id_stays(tmp_path: Path) -> None:
    first = State(tmp_path).installation()
    assert str(uuid.UUID(first.id)) == first.id
    assert first.host
    assert State(tmp_path).installation() == first
    assert State(tmp_path / "other").installation().id != first.id


def test_many_processes_agree_on_one_id(tmp_path: Path) -> None:
    with ExitStack() as stack:
        asking = [stack.enter_context(process(ASKER, str(tmp_path))) for _ in range(6)]
        for one in asking:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        said = {one.communicate()[0].strip() for one in asking}
    assert said == {State(tmp_path).installation().id}
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["installation.json"]


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"id"', "nothing"])
def test_an_id_that_is_damaged_is_never_replaced(tmp_path: Path, data: str) -> None:
    path = tmp_path / "installation.json"
    path.write_text(data)
    with pytest.raises(ConfigError, match=r"installation\.json"):
        State(tmp_path).installation()
    assert path.read_text() == data


def test_where_the_state_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VMBACKUP_STATE", "own")
    assert default_folder() == tmp_path / "own"
    monkeypatch.delenv("VMBACKUP_STATE")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_folder() == Path("/var/lib/vmbackup")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert default_folder() == Path("/xdg/vmbackup")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/anna")
    assert default_folder() == Path("/home/anna/.local/state/vmbackup")


def test_a_flushed_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_flushed(path, json.dumps({"a": 1}).encode())
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_bytes()) == {"a": 1}
