"""`vmbackup verify` as it is used: levels, what is kept and shown of them, time limits, and exit codes."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, command, distribution, job, json_of

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec


def damage(path: Path, at: int = MIB) -> None:
    """One bit is turned over."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def images(world: World) -> list[Path]:
    """The images, oldest first."""
    return sorted(world.target.rglob("image.xva"), key=lambda path: path.parent.name)


def results(world: World) -> list[dict[str, object]]:
    """The kept results, oldest first."""
    paths = sorted(world.target.rglob("verified-*.json"), key=lambda path: path.name)
    return [json.loads(path.read_text()) for path in paths]


@pytest.fixture
def backed_up(world: World) -> World:
    """A world with two backups of one VM."""
    for _ in range(2):
        assert exit_code(world.run()) == 0
    return world


def test_a_line_a_backup_and_a_sum(backed_up: World) -> None:
    done = backed_up.cli("verify", "--all")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert len(lines) == 2
    pattern = r"good disk:web 01@\S+: full, [0-9.]+ MiB read in [0-9.]+ s, [0-9.]+ [KMG]iB/s"
    assert all(re.fullmatch(pattern, line) for line in lines), lines
    assert last == "2 good, 0 wrong, 0 could not be read"
    assert done.stderr == "", "no bar where there is no terminal"


@pytest.mark.parametrize(
    ("arguments", "level", "share"),
    [((), "full", 1.0), (("--full",), "full", 1.0), (("--quick",), "quick", 1.0), (("--sample", "5%"), "sample", 0.05)],
)
def test_what_was_found_is_kept_a_file_each(
    backed_up: World, arguments: tuple[str, ...], level: str, share: float
) -> None:
    before = backed_up.files()
    done = backed_up.cli("verify", "--all", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    shown = json_of(done)
    assert (shown["ok"], shown["level"], shown["left"]) == (True, level, [])
    assert isinstance(shown["backups"], list)
    assert [backup["result"] for backup in shown["backups"]] == ["good", "good"]
    made = backed_up.files() - before
    assert len(made) == 2
    assert {Path(name).parent for name in made} == {
        path.parent.relative_to(backed_up.target) for path in images(backed_up)
    }
    assert all(re.fullmatch(r"verified-[0-9]{8}T[0-9]{6}Z\.json", Path(name).name) for name in made)
    for kept in results(backed_up):
        assert (kept["level"], kept["share"], kept["finished"], kept["wrong"]) == (level, share, True, [])
        assert (kept["read"] == 0) == (level == "quick")
    assert {kept["read"] for kept in results(backed_up)} == {backup["read"] for backup in shown["backups"]}


def test_a_share_or_time_that_is_none_and_two_levels_at_once_are_wrong_usage(backed_up: World) -> None:
    for arguments in (
        ("--sample", "5"),
        ("--sample", "0%"),
        ("--sample", "101%"),
        ("--quick", "--full"),
        ("--quick", "--sample", "5%"),
        ("--max-duration", "soon"),
        ("--max-duration", "0s"),
        ("web 01@latest",),
    ):
        done = backed_up.cli("verify", "--all", *arguments)
        assert done.returncode == 2, arguments
    assert backed_up.cli("verify").returncode == 2
    assert results(backed_up) == []


def test_list_shows_the_age_of_the_last_whole_verification_and_show_its_details(backed_up: World) -> None:
    first, second = backed_up.backups()
    assert backed_up.cli("verify", first.address).returncode == 0
    assert backed_up.cli("verify", second.address, "--sample", "50%").returncode == 0
    listed = backed_up.cli("list").stdout.splitlines()
    assert listed[0].split()[-1] == "verified"
    assert listed[1].rstrip().endswith("0 h ago")
    assert listed[2].rstrip().endswith("never"), "a sample is not the whole"
    told = json_of(backed_up.cli("list", "--json"))["backups"]
    assert isinstance(told, list)
    assert [bool(backup["verified"]) for backup in told] == [True, False]
    assert [backup["wrong"] for backup in told] == [None, None]
    shown = backed_up.cli("show", second.address).stdout
    assert re.search(
        r"^verified +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ, sample of 50 %, .* read, vmbackup .*: good$", shown, re.MULTILINE
    )
    assert "never since it was made" not in shown
    details = json_of(backed_up.cli("show", second.address, "--json"))["verifications"]
    assert isinstance(details, list)
    assert [(result["level"], result["share"]) for result in details] == [("sample", 0.5)]


def test_a_wrong_backup_is_marked_passed_over_and_kept_until_it_is_read_whole_again(backed_up: World) -> None:
    first, second = backed_up.backups()
    newest = backed_up.target / second.folder / "image.xva"
    whole = newest.read_bytes()
    damage(newest)
    done = backed_up.cli("verify", "--all")
    assert done.returncode == 13
    (wrong,) = [line for line in done.stdout.splitlines() if line.startswith("wrong ")]
    assert wrong.startswith(f"wrong {second.address}: image.xva: ")
    assert done.stdout.splitlines()[-1] == "1 good, 1 wrong, 0 could not be read"
    assert "wrong 0 h ago" in backed_up.cli("list").stdout
    assert ": wrong: image.xva: " in backed_up.cli("show", second.address).stdout

    restored = backed_up.cli("restore", "web 01@latest", "--as", "twin", "--json")
    assert restored.returncode == 0, restored.stderr
    assert json_of(restored)["backup"] == first.address
    assert f"{first.address} is not the newest: {second.address} was found wrong" in restored.stderr

    backed_up.configure(job("web 01", keep=1))
    assert exit_code(backed_up.run()) == 0
    third = backed_up.backups()[-1]
    assert [backup.folder for backup in backed_up.backups()] == [second.folder, third.folder]
    assert backed_up.cli("verify", second.address, "--quick").returncode == 0
    assert backed_up.backups()[0].fault is not None, "a look at the sizes does not lift it"
    newest.write_bytes(whole)
    repaired = backed_up.cli("verify", second.address)
    assert repaired.returncode == 0
    assert "was found wrong" in repaired.stderr, "so it was until now"
    assert backed_up.backups()[0].fault is None
    assert exit_code(backed_up.run()) == 0
    assert second.folder not in [backup.folder for backup in backed_up.backups()], "it counts again, and is old"


def test_the_last_good_backup_is_not_rotated_away_for_damaged_newer_ones(backed_up: World) -> None:
    first, _ = backed_up.backups()
    damage(images(backed_up)[-1])
    assert backed_up.cli("verify", "--all", "--full").returncode == 13
    backed_up.configure(job("web 01", keep=2))
    assert exit_code(backed_up.run()) == 0
    assert first.folder in [backup.folder for backup in backed_up.backups()]


def test_a_file_of_another_size_is_found_by_every_level(backed_up: World) -> None:
    with images(backed_up)[0].open("ab") as file:
        file.write(b"more")
    for level in ("--quick", "--full"):
        done = backed_up.cli("verify", "--all", level, "--json")
        assert done.returncode == 13
        shown = json_of(done)
        assert shown["ok"] is False
        assert isinstance(shown["broken"], list)
        (broken,) = shown["broken"]
        assert broken["result"] == "wrong"
        assert "image.xva has" in broken["reason"]


def test_a_target_that_takes_nothing_costs_the_result_and_not_the_verification(backed_up: World) -> None:
    target = str(backed_up.target)
    script = f'mount -o bind,ro "{target}" "{target}" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *command("verify", "--all")],
        check=False,
        capture_output=True,
        text=True,
        env=backed_up.environ(),
    )
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stdout.splitlines() if line.startswith("warning ")]
    assert len(warnings) == 2
    assert all("the result could not be kept: " in line and "Read-only file system" in line for line in warnings)
    assert done.stdout.splitlines()[-1] == "2 good, 0 wrong, 0 could not be read"
    assert results(backed_up) == []


def test_a_target_that_is_away_is_not_a_damaged_one(backed_up: World) -> None:
    other = f'\n[targets.other]\ntype = "local"\nid = "x"\npath = "{backed_up.folder}/nowhere"\n'
    backed_up.configure(job("web 01"), head=backed_up.head + other)
    done = backed_up.cli("verify", "--all", "--quick")
    assert done.returncode == 15
    (unread,) = [line for line in done.stdout.splitlines() if line.startswith("unread ")]
    assert unread.startswith("unread other: ")
    assert done.stdout.splitlines()[-1] == "2 good, 0 wrong, 1 could not be read"
    named = backed_up.cli("verify", "web 01@latest", "--target", "other")
    assert named.returncode == 15
    assert "nowhere" in named.stderr
    damage(images(backed_up)[0])
    assert backed_up.cli("verify", "--all").returncode == 13, "what is wrong counts before what could not be read"


@pytest.fixture
def shaky(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose target is a shaky one, with a backup of each of three VMs."""
    monkeypatch.setenv("PYTHONPATH", str(distribution(tmp_path / "plugin", "shaky")))
    for number in (2, 3):
        world.pool.add_vm(f"web 0{number}", [DiskSpec(MIB, seed=number, fill=0.5)])
    assert exit_code(world.run()) == 0
    world.configure(job("web*"), head=world.head.replace('type = "local"', 'type = "shaky"'))
    yield world
    for word in ("cannot-read", "crawls"):
        tmp_path.joinpath(f"target.{word}").unlink(missing_ok=True)


def test_a_disk_with_errors_is_not_a_damaged_backup_and_leaves_no_mark(shaky: World) -> None:
    (shaky.folder / "target.cannot-read").touch()
    done = shaky.cli("verify", "--all")
    assert done.returncode == 15, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("unread ")]
    assert len(lines) == 3
    assert all("image.xva: " in line and "Input/output error" in line for line in lines)
    assert done.stdout.splitlines()[-1] == "0 good, 0 wrong, 3 could not be read"
    assert results(shaky) == []
    restored = shaky.cli("restore", "web 02@latest")
    assert restored.returncode == 15
    assert "could not be read" in restored.stderr


def test_a_call_that_stops_is_taken_up_by_the_next_where_it_stopped(shaky: World) -> None:
    (shaky.folder / "target.crawls").touch()
    waiting = {f"disk:web 0{number}" for number in (1, 2, 3)}
    for _ in range(12):
        done = shaky.cli("verify", "--all", "--max-duration", "2s", "--json")
        assert done.returncode == 0, done.stderr
        shown = json_of(done)
        assert isinstance(shown["backups"], list)
        assert isinstance(shown["left"], list)
        names = [backup["address"].rpartition("@")[0] for backup in shown["backups"]]
        assert set(names[: len(waiting)]) <= waiting, "those that were not verified yet come first"
        left = {address.rpartition("@")[0] for address in shown["left"]}
        good = {name for name, told in zip(names, shown["backups"], strict=True) if told["result"] == "good"}
        assert good | left == {f"disk:web 0{number}" for number in (1, 2, 3)}
        waiting -= good
        if not waiting:
            break
    assert waiting == set()
    assert {kept["finished"] for kept in results(shaky)} == {True}


def test_a_backup_for_which_a_whole_call_is_too_short_does_not_keep_the_others_waiting(shaky: World) -> None:
    """The first one takes some seconds at least, of which there is one."""
    (shaky.folder / "target.crawls").touch()
    first = json_of(shaky.cli("verify", "--all", "--max-duration", "1s", "--json"))
    assert isinstance(first["backups"], list)
    (told,) = first["backups"]
    assert (told["result"], told["address"].rpartition("@")[0]) == ("unfinished", "disk:web 01")
    (kept,) = results(shaky)
    assert (kept["finished"], kept["wrong"]) == (False, [])
    shaky.folder.joinpath("target.crawls").unlink()
    second = json_of(shaky.cli("verify", "--all", "--json"))
    assert isinstance(second["backups"], list)
    order = [backup["address"].rpartition("@")[0] for backup in second["backups"]]
    assert order == ["disk:web 02", "disk:web 03", "disk:web 01"]
    assert [kept["finished"] for kept in results(shaky)] == [True] * 3


def test_the_order_is_that_of_the_kept_results(backed_up: World) -> None:
    first, second = backed_up.backups()
    assert backed_up.cli("verify", first.address).returncode == 0
    told = json_of(backed_up.cli("verify", "--all", "--json"))["backups"]
    assert isinstance(told, list)
    assert [backup["address"] for backup in told] == [second.address, first.address]


@pytest.mark.parametrize(
    "more",
    [
        "",
        'method = "vdi-export"',
        'compress = { with = "zstd" }',
        'compress = { with = "zstd", when = "host" }',
        'compress = { with = "zstd", when = "after" }',
    ],
)
def test_every_image_can_be_sampled_whoever_compressed_it(world: World, more: str) -> None:
    world.configure(job("web 01", more=more))
    assert exit_code(world.run()) == 0
    assert world.cli("compress", "disk").returncode == 0
    (backup,) = world.backups()
    image = backup.manifest.image_file
    assert image is not None
    assert image.slices is not None
    (path,) = world.target.rglob(image.name)
    assert world.cli("verify", "--all", "--sample", "1%").returncode == 0
    damage(path, at=path.stat().st_size - 1)
    done = world.cli("verify", "--all", "--sample", "100%")
    assert done.returncode == 13
    assert f"{image.name} is not what was stored in its bytes" in done.stdout
