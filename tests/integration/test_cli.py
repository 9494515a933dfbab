"""The command line as a user meets it: output, exit codes, and no secret anywhere."""

import json
import os
import signal
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from tests.integration.world import World, command, job, json_of

from vmbackup.simulator import BodyHook, CallFails, CallHook, TaskFails


def test_a_run_in_a_log_is_plain_and_greppable(world: World) -> None:
    done = world.cli("run", "test")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if " good web 01: vm-export" in line]
    assert line.startswith("20")
    assert "all good: 1 good, 0 failed" in done.stdout


def test_a_run_with_json_ends_with_the_report(world: World) -> None:
    done = world.cli("run", "test", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["message_type"] == "plan"
    assert lines[-1]["message_type"] == "report"
    assert lines[-1]["results"][0]["outcomes"][0]["backup"]["manifest"]["files"]


def test_preview_changes_nothing_and_tells_every_problem(world: World) -> None:
    world.configure(job("web*") + '[[jobs.test.vms]]\nmatch = "nosuch"\n[[jobs.test.vms]]\nmatch = "neither"\n')
    before, files = world.records(), world.files()
    done = world.cli("preview", "test", "--json")
    assert done.returncode == 2
    plan = json_of(done)
    problems = " ".join(problem["message"] for problem in plan["problems"])  # type: ignore[attr-defined]
    assert "nosuch" in problems
    assert "neither" in problems
    assert [task["vm"] for task in plan["tasks"]] == ["web 01"]  # type: ignore[attr-defined]
    assert (world.records(), world.files()) == (before, files)
    world.configure(job("web*"))
    assert world.cli("preview", "test").returncode == 0


def test_exit_3_when_a_named_vm_is_missing_and_the_rest_is_backed_up(world: World) -> None:
    world.configure(job("web*") + '[[jobs.test.vms]]\nmatch = "nosuch"\n')
    done = world.cli("run", "test")
    assert done.returncode == 3
    assert "nosuch" in done.stdout
    assert len(world.backups()) == 1


def test_exit_4_when_all_failed(world: World) -> None:
    world.pool.faults.add(TaskFails(code="VDI_IO_ERROR"))
    done = world.cli("run", "test")
    assert done.returncode == 4
    assert "export: VDI_IO_ERROR" in done.stdout


def test_exit_5_for_warnings_when_strict(world: World) -> None:
    world.pool.faults.add(CallFails(method="task.destroy", nth=None, code="INTERNAL_ERROR", params=("no",)))
    assert world.cli("run", "test", "--strict").returncode == 5
    assert world.cli("run", "test").returncode == 0, "warnings alone are no failure"


def test_exit_2_for_a_wrong_configuration(world: World) -> None:
    world.configure(job("web*").replace("keep =", "kep ="))
    done = world.cli("run", "test")
    assert done.returncode == 2
    assert "did you mean 'keep'" in done.stderr
    assert "Traceback" not in done.stderr
    assert world.cli("run").returncode == 2
    assert world.cli("nonsense").returncode == 2


def test_exit_11_while_another_run_is_under_way(world: World) -> None:
    with world.site().state().lock("test"):
        done = world.cli("run", "test")
    assert done.returncode == 11
    assert f"process {os.getpid()}" in done.stderr


def test_exit_12_for_a_wrong_password_and_a_wrong_certificate(world: World) -> None:
    (world.folder / "pool.password").write_text("wrong-canary")
    done = world.cli("run", "test")
    assert done.returncode == 12
    assert "wrong-canary" not in done.stdout + done.stderr
    (world.folder / "pool.password").write_text(world.pool.password)
    wrong = "ab" * 32
    world.configure(job("web*"), head=world.head.replace(world.pool.fingerprint, f"sha256:{wrong}"))
    done = world.cli("run", "test")
    assert done.returncode == 12
    shown = world.pool.fingerprint.replace(":", "").lower()
    assert wrong in done.stdout
    assert shown in done.stdout
    assert "vmbackup trust" in done.stdout


def test_trust_writes_the_fingerprint_and_keeps_the_comments(world: World) -> None:
    head = world.head.replace(f'tls = {{ fingerprint = "{world.pool.fingerprint}" }}', "# the certificate:")
    world.configure(job("web*"), head=head)
    assert world.cli("run", "test").returncode == 12, "no CA of the system vouches for it"
    done = world.cli("trust", world.pool.url, "--yes")
    assert done.returncode == 0, done.stderr
    assert "# the certificate:" in world.config.read_text()
    assert world.cli("run", "test").returncode == 0


def test_target_init_refuses_what_is_not_empty(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "another"
    folder.mkdir()
    world.configure(job("web*") + f'\n[targets.new]\ntype = "local"\npath = "{folder}"\n')
    done = world.cli("target", "init", "new")
    assert done.returncode == 0, done.stderr
    assert "id =" in done.stdout
    assert world.cli("target", "init", "new").returncode == 10
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    world.configure(job("web*") + f'\n[targets.new]\ntype = "local"\npath = "{tmp_path}/full"\n')
    assert world.cli("target", "init", "new").returncode == 10


def test_list_show_and_addresses(world: World) -> None:
    assert "no backups" in world.cli("list").stdout
    world.run()
    world.run()
    listed = json_of(world.cli("list", "--json"))["backups"]
    assert isinstance(listed, list)
    assert len(listed) == 2
    shown = world.cli("show", "web 01@latest")
    assert shown.returncode == 0
    assert str(listed[-1]["address"]) in shown.stdout
    ambiguous = world.cli("show", "web 01")
    assert ambiguous.returncode == 2
    assert str(listed[0]["address"]) in ambiguous.stderr
    assert world.cli("show", "nothing").returncode == 2


def test_plugins_lists_every_kind_and_what_did_not_load(world: World, tmp_path: Path) -> None:
    facts = tmp_path / "broken" / "vmbackup_broken-2.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: vmbackup-broken\nVersion: 2.0\n")
    (facts / "entry_points.txt").write_text("[vmbackup]\nx = no_such_module\n")
    listed = json_of(world.cli("plugins", "--json", env={"PYTHONPATH": str(tmp_path / "broken")}))
    kinds = {(plugin["kind"], plugin["name"]) for plugin in listed["plugins"]}  # type: ignore[attr-defined]
    assert kinds >= {
        *{("method", "vm-export"), ("method", "vdi-export"), ("target", "local"), ("compressor", "zstd")},
        *{("compressor", "none"), ("notifier", "email"), ("reporter", "json")},
    }
    (failed,) = list(listed["failed"])  # type: ignore[call-overload]
    assert failed["distribution"] == "vmbackup-broken"
    assert "no_such_module" in failed["reason"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cleans_up_and_says_so(world: World, number: signal.Signals, code: int) -> None:
    before, files = world.records(), world.files()
    process = subprocess.Popen(
        command("run", "test"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    world.pool.faults.add(BodyHook(after=1_000_000, run=lambda: os.kill(process.pid, number)))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert "stopped" in output
    assert world.records() == before
    assert world.files() == files
    assert world.journals() == []


def test_a_second_signal_ends_at_once_and_names_what_is_left(world: World) -> None:
    process = subprocess.Popen(
        command("run", "test"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )

    go_on = threading.Event()

    def slow_cleanup() -> None:
        os.kill(process.pid, signal.SIGINT)
        go_on.wait(20)

    world.pool.faults.add(BodyHook(after=1_000_000, run=lambda: os.kill(process.pid, signal.SIGINT)))
    world.pool.faults.add(CallHook(method="VM.destroy", run=slow_cleanup))
    started = time.monotonic()
    output, _ = process.communicate(timeout=60)
    seconds = time.monotonic() - started
    go_on.set()
    assert process.returncode == 130, output
    assert seconds < 20
    assert "left for the next run" in output
    (journal,) = world.journals()
    assert "vm-snapshot" in journal.read_text()


def test_no_secret_is_shown_anywhere(world: World) -> None:
    """The password and the session stand in no output, no file of ours, and no argument of a process."""
    world.pool.faults.add(TaskFails(code="VDI_IO_ERROR"))
    arguments: list[str] = []

    def look() -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue

    world.pool.faults.add(CallHook(method="VM.snapshot", run=look))
    handles: list[str] = []
    world.pool.faults.add(
        CallHook(method="VM.snapshot", run=lambda: handles.extend(world.pool.records("session")), when="after")
    )
    done = world.cli("run", "test", "--json")
    assert done.returncode == 4
    assert handles
    written = [path.read_text(errors="replace") for path in world.folder.rglob("*.json*") if "pool/" not in str(path)]
    for secret in (world.pool.password, *handles):
        assert secret not in done.stdout + done.stderr
        assert not [text for text in (*written, *arguments) if secret in text]


@pytest.mark.timeout(120)
def test_a_cleanup_that_takes_too_long_is_given_up_after_30_seconds(world: World) -> None:
    go_on = threading.Event()
    process = subprocess.Popen(
        command("run", "test"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    world.pool.faults.add(BodyHook(after=1_000_000, run=lambda: os.kill(process.pid, signal.SIGTERM)))
    world.pool.faults.add(CallHook(method="VM.destroy", run=partial(_wait, go_on)))
    started = time.monotonic()
    output, _ = process.communicate(timeout=60)
    seconds = time.monotonic() - started
    go_on.set()
    assert process.returncode == 143, output
    assert 29 < seconds < 45
    assert "left for the next run" in output
    assert "vm-snapshot" in world.journals()[0].read_text()


def _wait(event: threading.Event) -> None:
    event.wait(60)


def test_exit_1_for_a_fault_of_ours(world: World, tmp_path: Path) -> None:
    """A plugin that breaks its contract is a bug; it is named, and the exit code tells it from a failed backup."""
    facts = tmp_path / "buggy" / "vmbackup_buggy-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: vmbackup-buggy\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[vmbackup]\nbuggy = vmbackup_buggy\n")
    (tmp_path / "buggy" / "vmbackup_buggy.py").write_text(BUGGY)
    world.configure(job("web*"), head=world.head.replace('type = "local"', 'type = "buggy"'))
    done = world.cli("run", "test", env={"PYTHONPATH": str(tmp_path / "buggy")})
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout
    assert "please report" in done.stdout


BUGGY = '''
from vmbackup import hookimpl
from vmbackup_targets.local import Local

class Buggy(Local):
    """Breaks."""

    name = "buggy"

    def __enter__(self):
        1 / 0

@hookimpl
def vmbackup_register():
    return [Buggy]
'''
