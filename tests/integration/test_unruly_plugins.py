"""A plugin that misbehaves is named in the report, and the run is what it would have been; each through a real run."""

import json
import stat
import subprocess
import time

import pytest
from tests.integration.world import MIB, World, distribution, job

from vmbackup.simulator import BodyHook

CHANGES = {
    "chdir": "it has changed the working directory",
    "umask": "it has set the umask to 000",
    "alarm": "it has changed when the alarm is due",
    "print": "it has printed to standard output: 'this is no JSON\\n'",
    "close files": "it has closed or replaced file 1; it has closed or replaced file 2",
    "open in their place": "it has closed or replaced file 1; it has closed or replaced file 2",
    "close streams": "it has closed sys.stdin",
    "replace streams": "it has replaced sys.stdout",
    "environ": "it has changed the environment",
    "locale": "it has changed the locale",
}
FAILURES = {
    "ValueError": "ValueError",
    "SystemExit": "SystemExit: 7",
    "KeyboardInterrupt": "KeyboardInterrupt",
    "GeneratorExit": "GeneratorExit",
    "a kind of its own": "Odd",
    "unspeakable": "it has raised something that cannot be told in words",
    "hangs": "it has not returned for 1 s, and was left behind",
    "signal": "ValueError: signal only works in main thread of the main interpreter",
}
RETURNS = {"rubbish": "which nobody takes"}
LISTENING = {**FAILURES, **RETURNS, **CHANGES}
LOADING = {name: words for name, words in {**FAILURES, **CHANGES}.items() if name != "hangs"}


@pytest.fixture
def unruly(world: World) -> World:
    """A world with the plugin for a listener, a reporter and a notifier."""
    distribution(world.folder / "plugin", "unruly")
    sections = '\n[reporters.odd]\ntype = "unruly"\n[notifiers.odd]\ntype = "unruly"\n'
    told = job("web*", more='report = ["odd"]\nnotify = ["odd"]')
    world.configure(told + sections + '[plugins]\ntimeout = "1s"\n')
    return world


def run(world: World, name: str, place: str, *more: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PYTHONPATH": str(world.folder / "plugin"),
        "UNRULY": name,
        "UNRULY_AT": place,
        "UNRULY_FOLDER": str(world.folder / "gone"),
        "LC_ALL": "C",
    }
    before = world.records()
    done = world.cli("run", "test", *more, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.records() == before
    assert world.journals() == []
    (verdict,) = world.verify_all()
    assert verdict.good
    assert modes(world) <= {0o600, 0o700}
    return done


def modes(world: World) -> set[int]:
    """What all that was made on the target and in the state folder allows."""
    made = (path for root in (world.target, world.folder / "state") for path in root.rglob("*"))
    return {stat.S_IMODE(path.lstat().st_mode) for path in made}


def warnings(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    """Those of the report: who, and what. All of the output must be JSON."""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["message_type"] == "report"
    return [(warning["step"], warning["message"]) for warning in lines[-1]["warnings"]]


@pytest.mark.parametrize("name", LISTENING)
def test_a_listener(unruly: World, name: str) -> None:
    said = warnings(run(unruly, name, "listener", "--json"))
    assert {who for who, _ in said} == {"vmbackup_vm_started of vmbackup-unruly:unruly"}
    assert LISTENING[name] in "; ".join(words for _, words in said)


@pytest.mark.parametrize("place", ["reporter", "notifier"])
@pytest.mark.parametrize("name", ["SystemExit", "unspeakable", "hangs", "chdir", "print", "close files", "rubbish"])
def test_a_reporter_or_notifier(unruly: World, name: str, place: str) -> None:
    said = warnings(run(unruly, name, place, "--json"))
    assert {who for who, _ in said} == {f"{place} odd"}
    assert LISTENING[name] in "; ".join(words for _, words in said)


@pytest.mark.parametrize("place", ["import", "register"])
@pytest.mark.parametrize("name", LOADING)
def test_loading(unruly: World, name: str, place: str) -> None:
    unruly.configure(job("web*"))
    said = warnings(run(unruly, name, place, "--json"))
    assert said
    assert all("unruly" in who + words for who, words in said)
    assert LOADING[name] in "; ".join(words for _, words in said)


def test_an_import_that_never_ends(unruly: World) -> None:
    unruly.configure(job("web*"))
    said = warnings(run(unruly, "hangs", "import", "--json"))
    assert [words for _, words in said] == [
        "vmbackup-unruly (unruly) did not load: it has not returned for 30 s, and was left behind"
    ]


def test_one_that_hangs_and_goes_on_to_change_things_while_others_are_at_work(
    unruly: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of ours goes by the working directory, the umask, or what standard output is, once the run has begun."""
    monkeypatch.chdir(unruly.folder)
    unruly.config.write_text(unruly.config.read_text().replace(f'state = "{unruly.folder}/state"', 'state = "state"'))
    harm: list[bool] = []

    def wait_for_harm() -> None:
        deadline = time.monotonic() + 60
        while not (unruly.folder / "gone").exists() and time.monotonic() < deadline:
            pass
        harm.append((unruly.folder / "gone").exists())

    unruly.pool.faults.add(BodyHook(after=MIB, run=wait_for_harm))
    done = run(unruly, "hangs and goes on", "listener", "--json")
    assert harm == [True]
    assert ("vmbackup_vm_started of vmbackup-unruly:unruly", FAILURES["hangs"]) in warnings(done)
    assert "ends without waiting for: vmbackup-left-behind" in done.stderr
    assert "late" in done.stderr


def test_threads_that_go_on(unruly: World) -> None:
    done = run(unruly, "threads", "listener", "--json")
    assert warnings(done) == [], "what others print is not laid at anybody's door"
    assert "I am still here" in done.stderr
    assert "ends without waiting for" in done.stderr


@pytest.mark.parametrize("name", ["print", "close files", "open in their place", "close streams", "replace streams"])
def test_what_people_are_shown(unruly: World, name: str) -> None:
    shown = run(unruly, name, "listener").stdout
    assert "all good: 1 good, 0 failed, " in shown
    assert "vmbackup_vm_started of vmbackup-unruly:unruly: it has" in shown


def test_one_that_wants_the_run_to_end_is_like_anybody_who_does(unruly: World) -> None:
    """A signal to its own process is a signal."""
    before = unruly.records()
    env = {"PYTHONPATH": str(unruly.folder / "plugin"), "UNRULY": "kill", "UNRULY_AT": "listener"}
    done = unruly.cli("run", "test", "--json", env=env)
    assert done.returncode == 143
    assert unruly.records() == before
    assert unruly.journals() == []


@pytest.mark.parametrize("name", ["ValueError", "SystemExit", "a kind of its own", "unspeakable"])
def test_one_that_cannot_be_made_is_a_problem_of_its_section(unruly: World, name: str) -> None:
    env = {"PYTHONPATH": str(unruly.folder / "plugin"), "UNRULY": name, "UNRULY_AT": "constructor"}
    done = unruly.cli("run", "test", env=env)
    assert done.returncode == 2
    assert f"reporters.odd: vmbackup-unruly: {FAILURES[name]}" in done.stderr


def test_nothing_is_good_because_a_plugin_wanted_the_process_to_end_so(unruly: World) -> None:
    """Not even one that is in the way of the bytes."""
    unruly.configure(job("web*", more='compress = { with = "ends" }'))
    env = {"PYTHONPATH": str(unruly.folder / "plugin"), "UNRULY_AT": "compress"}
    before = unruly.records()
    done = unruly.cli("run", "test", "--json", env=env)
    assert done.returncode == 4
    assert "SystemExit" in json.loads(done.stdout.splitlines()[-1])["results"][0]["outcomes"][0]["failure"]["message"]
    assert unruly.records() == before
    assert unruly.journals() == []
    good = {**env, "UNRULY_AT": ""}
    assert unruly.cli("run", "test", env=good).returncode == 0
    assert unruly.cli("verify", "--all", env=good).returncode == 0
    ended = unruly.cli("verify", "--all", env={**env, "UNRULY_AT": "decompress"})
    assert ended.returncode == 2, ended.stdout
    assert "a plugin wanted the process to end with 0: " in ended.stderr
    assert "vmbackup_unruly.py, line" in ended.stderr
