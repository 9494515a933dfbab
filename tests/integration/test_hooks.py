"""Commands of the site's own at the moments of a run, through real runs against a simulated pool."""

import json
import os
import signal
import subprocess
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, command, job, json_of

from vmbackup.contracts import Target
from vmbackup.manifest import Identity
from vmbackup.registry import Registered
from vmbackup.results import Failure, Report, exit_code
from vmbackup.run import run_job
from vmbackup.simulator import BodyHook, CallFails, CallHook, DiskSpec
from vmbackup.watch import Nobody
from vmbackup_targets.local import Local

MOMENTS = (
    "run-started",
    "vm-started",
    "before-snapshot",
    "after-snapshot",
    "backup-stored",
    "vm-finished",
    "run-finished",
)


def hook(moment: str, script: str, more: str = "", *words: str) -> str:
    """A hook that runs `script` in a shell of its own, with the words for its arguments."""
    run = ", ".join(json.dumps(word) for word in ("sh", "-c", script, "sh", *words))
    return f'\n[[hooks]]\non = "{moment}"\nrun = [{run}]\n{more}\n'


def configure(world: World, hooks: str, jobs: str | None = None) -> None:
    world.configure((jobs or job("web*")) + hooks)


def noting(world: World, moment: str, more: str = "", word: str = "{moment}") -> str:
    """A hook that notes `word` in a file."""
    return hook(moment, 'echo "$1" >> "$2"', more, word, str(world.folder / "noted"))


def noted(world: World) -> list[str]:
    path = world.folder / "noted"
    return path.read_text().splitlines() if path.exists() else []


def failure(report: Report) -> Failure:
    found = report.results[0].outcomes[0].failure
    assert found is not None
    return found


def test_every_moment_is_told_in_its_order_with_its_facts(world: World) -> None:
    told = world.folder / "told"
    script = 'printf "%s" "$2" >> "$1.words"; cat >> "$1"; echo >> "$1"'
    words = {
        "run-started": "{moment} {job} {run} {pool}",
        "vm-started": "{vm} {uuid} {power}",
        "before-snapshot": "{method}",
        "after-snapshot": "{result}",
        "backup-stored": "{target} {folder} {path} {size}",
        "vm-finished": "{result} {message}",
        "run-finished": "{result} {good} {failed} {warnings}",
    }
    configure(world, "".join(hook(moment, script, "", str(told), f"<{words[moment]}>") for moment in MOMENTS))
    report = world.run()
    assert exit_code(report, strict=True) == 0, report
    facts = [json.loads(line) for line in told.read_text().splitlines()]
    assert tuple(fact["moment"] for fact in facts) == MOMENTS
    assert {fact["schema"] for fact in facts} == {"vmbackup-hook/1"}
    assert {(fact["job"], fact["run"]) for fact in facts} == {("test", report.run.id)}
    backup = report.results[0].outcomes[0].backup
    assert backup is not None
    path = world.target / backup.folder
    uuid_ = report.results[0].uuid
    assert told.with_suffix(".words").read_text() == (
        f"<run-started test {report.run.id} {report.run.pool.name}><web 01 {uuid_} Running><vm-export><good>"
        f"<disk {backup.folder} {path} {backup.size}><good ><good 1 0 0>"
    )
    assert facts[4] == {
        "schema": "vmbackup-hook/1",
        "moment": "backup-stored",
        "job": "test",
        "run": report.run.id,
        "pool": report.run.pool.name,
        "vm": "web 01",
        "uuid": uuid_,
        "method": "vm-export",
        "target": "disk",
        "folder": backup.folder,
        "path": str(path),
        "size": backup.size,
    }
    assert facts[6]["report"]["results"][0]["vm"] == "web 01"


def test_the_snapshot_is_there_after_it_and_the_export_has_not_begun(world: World) -> None:
    world.pool.faults.add(CallHook(method="VM.snapshot", run=lambda: note(world, "snapshot")))
    world.pool.faults.add(BodyHook(after=0, run=lambda: note(world, "export")))
    stored = hook("backup-stored", 'test -f "$1/manifest.json" || exit 1', "", "{path}")
    configure(world, noting(world, "before-snapshot") + noting(world, "after-snapshot") + stored)
    assert exit_code(world.run(), strict=True) == 0
    assert noted(world) == ["before-snapshot", "snapshot", "after-snapshot", "export"]


def note(world: World, word: str) -> None:
    with (world.folder / "noted").open("a") as file:
        file.write(f"{word}\n")


@pytest.mark.parametrize("moment", [moment for moment in MOMENTS if moment != "before-snapshot"])
@pytest.mark.parametrize(
    ("run", "words"),
    [
        ('["sh", "-c", "echo no such host; exit 255"]', "ended with code 255: no such host"),
        ('["/no/such/program"]', "could not be started: No such file or directory"),
        ('["sleep", "1000"]\ntimeout = "1s"', "had not ended after 1 s, and was killed"),
    ],
    ids=["fails", "is missing", "is too slow"],
)
def test_one_that_fails_is_a_warning_and_no_more(world: World, moment: str, run: str, words: str) -> None:
    configure(world, f'\n[[hooks]]\non = "{moment}"\nrun = {run}\n')
    report = world.run()
    assert exit_code(report) == 0
    assert report.results[0].good
    (warning,) = report.all_warnings
    assert (warning.step, warning.code) == (moment, "HookFailed")
    assert warning.message == f"hooks[1] ({json.loads(run.splitlines()[0])[0]}) {words}"


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ('["sh", "-c", "echo replication is behind; exit 1"]', "ended with code 1: replication is behind"),
        ('["/no/such/program"]', "could not be started: No such file or directory"),
        ('["sleep", "1000"]\ntimeout = "1s"', "had not ended after 1 s, and was killed"),
    ],
    ids=["fails", "is missing", "is too slow"],
)
def test_one_that_fails_before_a_snapshot_vetoes_it_and_the_others_go_on(world: World, run: str, words: str) -> None:
    world.pool.add_vm("web 02", [DiskSpec(MIB, seed=2)])
    before, files = world.records(), world.files()
    asked: list[str] = []
    world.pool.faults.add(CallHook(method="VM.snapshot", nth=None, run=lambda: asked.append("snapshot")))
    veto = f'\n[[hooks]]\non = "before-snapshot"\nrun = {run}\nvms = ["web 01"]\n'
    later = noting(world, "before-snapshot", 'vms = ["web 01"]')
    configure(world, veto + later + noting(world, "after-snapshot", word="{vm} {result}"))
    report = world.run()
    assert exit_code(report) == 3
    assert (failure(report).step, failure(report).code) == ("before-snapshot", "HookFailed")
    assert failure(report).message.endswith(words)
    assert report.results[1].good
    assert report.all_warnings == ()
    assert len(asked) == 1, "only the other VM's"
    assert noted(world) == ["web 01 failed", "web 02 good"]
    assert world.records() == before
    assert not [name for name in world.files() - files if "/web-01" in name]
    assert world.journals() == []


def test_a_snapshot_that_fails_is_told_as_well(world: World) -> None:
    world.pool.faults.add(CallFails(method="VM.snapshot", nth=None, code="SR_FULL", params=("1", "2")))
    configure(world, noting(world, "before-snapshot") + noting(world, "after-snapshot", word="{result}"))
    report = world.run()
    assert failure(report).step == "snapshot"
    assert noted(world) == ["before-snapshot", "failed"]


def test_each_attempt_has_its_own(world: World) -> None:
    world.pool.faults.add(CallFails(method="VM.snapshot", code="OTHER_OPERATION_IN_PROGRESS", params=("VM", "x")))
    configure(
        world,
        noting(world, "before-snapshot") + noting(world, "after-snapshot", word="{result}"),
        job("web*", more='retries = 1\nretry-wait = "1s"'),
    )
    assert exit_code(world.run()) == 0
    assert noted(world) == ["before-snapshot", "failed", "before-snapshot", "good"]


@pytest.mark.parametrize("halted", ["direct", "snapshot"])
def test_a_halted_vm_that_is_exported_as_it_is_has_no_snapshot_to_tell_of(world: World, halted: str) -> None:
    world.pool.add_vm("cold", [DiskSpec(MIB, seed=2)], power_state="Halted")
    hooks = noting(world, "before-snapshot", word="{power}") + noting(world, "after-snapshot")
    configure(world, hooks, job("cold") + f'\n[methods.vm-export]\nhalted = "{halted}"\n')
    assert exit_code(world.run(), strict=True) == 0
    assert noted(world) == ([] if halted == "direct" else ["Halted", "after-snapshot"])


@pytest.mark.parametrize("when", ["before-snapshot", "the snapshot", "after-snapshot"])
def test_what_was_stopped_in_a_guest_is_let_go_when_the_run_is_interrupted(world: World, when: str) -> None:
    before = world.records()
    slow = 'echo "$1" >> "$2"; sleep "$3"; echo done >> "$2"'
    out = str(world.folder / "noted")
    hooks = hook("before-snapshot", slow, "", "{moment}", out, "30" if when == "before-snapshot" else "0")
    hooks += hook("after-snapshot", slow, "", "{moment}", out, "3" if when == "after-snapshot" else "0")
    configure(world, hooks + noting(world, "after-snapshot", word="second"))
    process = subprocess.Popen(
        command("run", "test"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if when == "the snapshot":
        world.pool.faults.add(CallHook(method="VM.snapshot", run=lambda: os.kill(process.pid, signal.SIGTERM)))
    else:
        wait_for(world, when)
        os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    begun = ["before-snapshot"] if when == "before-snapshot" else ["before-snapshot", "done"]
    assert noted(world) == [*begun, "after-snapshot", "done", "second"]
    assert world.records() == before
    assert world.journals() == []


def wait_for(world: World, word: str) -> None:
    deadline = time.monotonic() + 60
    while word not in noted(world):
        assert time.monotonic() < deadline, noted(world)
        time.sleep(0.05)


def test_a_command_ends_with_a_run_that_is_killed(world: World) -> None:
    pid = world.folder / "pid"
    configure(world, hook("vm-started", 'sleep 1000 & echo $! > "$1.new"; mv "$1.new" "$1"; wait', "", str(pid)))
    with subprocess.Popen(command("run", "test"), env=world.environ()) as process:
        deadline = time.monotonic() + 60
        while not pid.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    state = Path(f"/proc/{pid.read_text().strip()}/stat")
    while state.exists() and state.read_text().rpartition(") ")[2][0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Elsewhere(Local):
    """A target whose files are no files of this machine."""

    def local_path(self, key: str) -> Path | None:
        return Target.local_path(self, key)


def test_a_target_without_a_path_here_is_a_warning_for_who_asks_for_it(world: World) -> None:
    configure(world, noting(world, "backup-stored", word="{path}") + noting(world, "backup-stored", word="{vm}"))
    site = world.site()
    site.registry.plugins["target", "local"] = Registered(Elsewhere, "vmbackup-elsewhere", "1.0")
    report = run_job(site, "test", Nobody())
    assert exit_code(report) == 0
    (warning,) = report.all_warnings
    assert warning.message == "hooks[1] (sh) was not run: there is no {path} here"
    assert noted(world) == ["web 01"]


def test_jobs_vms_and_targets_choose(world: World) -> None:
    world.pool.add_vm("web 02", [DiskSpec(MIB, seed=2)], tags=["db"])
    second = world.folder / "second"
    second.mkdir()
    identity = str(uuid.uuid4())
    head = f'{world.head}\n[targets.second]\ntype = "local"\nid = "{identity}"\npath = "{second}"\n'
    hooks = (
        noting(world, "vm-started", 'jobs = ["other"]', "of another job")
        + noting(world, "run-started", 'jobs = ["test"]', "{job}")
        + noting(world, "vm-finished", 'vms = ["tag:db", "nobody*"]', "{vm}")
        + noting(world, "backup-stored", 'targets = ["second"]', "{target} {vm}")
    )
    two = job("web*").replace('["disk"]', '["disk", "second"]')
    world.configure(two + job("web*", name="other") + hooks, head=head)
    repository = world.site().repository("second")
    with repository.target:
        repository.initialise(Identity(id=identity, label="second", created=datetime.now(UTC)))
    assert exit_code(world.run(), strict=True) == 0
    assert noted(world) == ["test", "second web 01", "second web 02", "web 02"]


def test_the_dump_of_the_pool_database_is_told_to_who_does_not_ask_for_a_vm(world: World) -> None:
    hooks = noting(world, "backup-stored", word="{vm}") + noting(world, "backup-stored", word="{method} {path}")
    configure(world, hooks, job("web*", more="pool-database = true"))
    report = world.run()
    assert exit_code(report, strict=True) == 0
    methods = [line.split()[0] for line in noted(world)]
    assert methods == ["web", "vm-export", "pool-database"]


def test_a_vm_whose_name_is_an_option_is_not_a_command_s_option(world: World) -> None:
    world.pool.add_vm("--evil", [DiskSpec(MIB, seed=2)])
    configure(world, noting(world, "vm-started", word="{vm}") + noting(world, "vm-started", word="vm={vm}"), job("*"))
    report = world.run()
    assert exit_code(report) == 0
    (warning,) = report.all_warnings
    assert "is an option" in warning.message
    assert sorted(noted(world)) == ["vm=--evil", "vm=web 01", "web 01"]


def test_what_it_says_does_not_garble_the_output(world: World) -> None:
    configure(world, hook("vm-started", "echo this is no JSON") + hook("run-finished", "echo nor is this; exit 1"))
    done = world.cli("run", "test", "--json")
    assert done.returncode == 0
    for line in done.stdout.splitlines():
        json.loads(line)
    assert "nor is this" in str(json_of(done)["warnings"])
    shown = world.cli("run", "test")
    assert "warning run-finished: hooks[2] (sh) ended with code 1: nor is this" in shown.stdout


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        ('on = "run-started"\nrun = ["x", "{vm}"]', "hooks[1].run", "run-started knows no {vm}; it knows moment, job"),
        ('on = "backup-stored"\nrun = ["x", "{pth}"]', "hooks[1].run", "backup-stored knows no {pth}"),
        ('on = "run-strted"\nrun = ["x"]', "hooks[1].on", "'run-started'"),
        ('on = "run-started"\nrun = []', "hooks[1].run", "at least 1"),
        ('on = "run-started"\nrun = ["x"]\nvms = ["a"]', "hooks[1].vms", "is not about one of them"),
        ('on = "vm-started"\nrun = ["x"]\ntargets = ["disk"]', "hooks[1].targets", "is not about one of them"),
        ('on = "vm-started"\nrun = ["x"]\nvms = ["/(/"]', "hooks[1].vms", "not a regular expression"),
        ('on = "vm-started"\nrun = ["x"]\ntimeout = "soon"', "hooks[1].timeout", "write a duration"),
        ('on = "vm-started"\nrun = ["x"]\njobs = ["nightly"]', "hooks[1].jobs", "there is no job 'nightly'"),
        ('on = "backup-stored"\nrun = ["x"]\ntargets = ["nas"]', "hooks[1].targets", "there is no target 'nas'"),
    ],
)
def test_what_is_wrong_with_one_is_told_with_its_place(world: World, line: str, place: str, words: str) -> None:
    configure(world, f"\n[[hooks]]\n{line}\n")
    last = len(world.config.read_text().splitlines())
    done = world.cli("run", "test")
    assert done.returncode == 2
    assert place in done.stderr
    assert words in done.stderr
    number = int(done.stderr.split(f"{world.config}:")[1].split(":")[0])
    assert number in {last, last - 1}


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_commands_that_others_may_write_are_not_run(world: World, mode: int) -> None:
    configure(world, noting(world, "run-started"))
    world.config.chmod(mode)
    done = world.cli("run", "test")
    assert done.returncode == 2
    assert "others than its owner may write it" in done.stderr
    assert noted(world) == []
