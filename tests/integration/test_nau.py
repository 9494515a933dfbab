"""Coming from NAU VMbackup: its configuration runs unchanged from its own command line, and becomes one of ours."""

import base64
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.world import MIB, command, json_of

from vmbackup.simulator import DiskSpec, Simulator

ROOT = Path(__file__).parents[2]
LARGE = "PROD-CentOS7-large-user-disks"
OUT = ("PROD-ubuntu12-benchmark", "PROD-ubuntu14-benchmark")
DEV_RH = {"DEV-RH6", "DEV-RH7"}
NAMES = (LARGE, "PROD-web", "PROD-db", *OUT, "DEV-RH6", "DEV-RH7", "DEV-SUSE")
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(tmp_path: Path, pool: Simulator) -> Path:
    """The announcement's VMs, its configuration as it stands in the examples, and a password file in NAU's way."""
    for name in NAMES:
        pool.add_vm(name, [DiskSpec(MIB, seed=3), DiskSpec(MIB, seed=4)])
    (tmp_path / "BACKUPS").mkdir()
    example = (ROOT / "examples" / "weekend.cfg").read_text()
    (tmp_path / "weekend.cfg").write_text(example.replace("/snapshots/BACKUPS", str(tmp_path / "BACKUPS")))
    (tmp_path / "nau.password").write_bytes(base64.b64encode(pool.password.encode()))
    (tmp_path / "nau.password").chmod(0o600)
    return tmp_path


@pytest.fixture
def call(site: Path, pool: Simulator) -> Call:
    """Call vmbackup in a process of its own, with the pool's address in the place of /etc/vmbackup/nau.toml."""
    settings = site / "nau.toml"
    settings.write_text(f'[pool]\nurl = "{pool.url}"\ntls = {{ fingerprint = "{pool.fingerprint}" }}\n')
    settings.chmod(0o600)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        where = ["--settings", str(settings), "--state", str(site / "state")]
        line = command(*words, *where) if words[0] in {"nau", "config"} else command(*words)
        env = {**os.environ, "COLUMNS": "200", "VMBACKUP_STATE": str(site / "state")}
        return subprocess.run(line, check=False, capture_output=True, text=True, timeout=100, cwd=site, env=env)

    return run


def backups(site: Path) -> set[Path]:
    return {path.parent for path in site.glob("BACKUPS/*/*/*/manifest.json")}


def copies(site: Path) -> Counter[str]:
    """How many backups of each VM lie in the folder, by the beginning of its name."""
    return Counter(backup.parent.name.rpartition("--")[0] for backup in backups(site))


@pytest.mark.timeout(300)
def test_five_runs_of_the_announcement_s_configuration(site: Path, pool: Simulator, call: Call) -> None:
    """One OS disk alone; production whole, four copies; DEV-RH three; two that fall into PROD* not at all."""
    before = pool.records("VM").keys(), pool.records("VDI").keys()
    assert call("nau", "nau.password", "weekend.cfg", "init").returncode == 0
    first: set[Path] = set()
    for number in range(1, 6):
        done = call("nau", "nau.password", "weekend.cfg")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "read as NAU VMbackup 3.0" in done.stderr
        production = dict.fromkeys((LARGE, "PROD-web", "PROD-db"), min(number, 4))
        assert copies(site) == production | dict.fromkeys(("DEV-RH6", "DEV-RH7"), min(number, 3))
        first = first or backups(site)
    assert not any(path.exists() for path in first), "the oldest copies are those that went"
    assert "5 old backups removed" in done.stdout
    for backup in backups(site):
        images = {path.name for path in backup.iterdir() if path.name.startswith(("image", "disk"))}
        assert images == ({"disk-0.raw"} if LARGE in backup.parent.name else {"image.xva"})
    assert (pool.records("VM").keys(), pool.records("VDI").keys()) == before


def test_an_import_is_proven_on_the_pool_and_goes_on_with_the_same_copies(site: Path, call: Call) -> None:
    assert call("nau", "nau.password", "weekend.cfg", "init").returncode == 0
    assert call("nau", "nau.password", "weekend.cfg").returncode == 0
    done = call("config", "import", "weekend.cfg", "--password-file", "nau.password", "--check")
    assert done.returncode == 0, done.stderr
    assert "both take the same 5 of its 8 VMs, by the same methods, and keep as many copies" in done.stderr
    assert 'match = "DEV-RH*"    # line 11: vm-export=DEV-RH*:3' in done.stdout
    config = site / "vmbackup.toml"
    config.write_text(done.stdout)
    config.chmod(0o600)
    assert call("run", "weekend", "--config", str(config)).returncode == 0
    assert set(copies(site).values()) == {2}, "the same target, the same job"
    verified = call("verify", "--all", "--config", str(config))
    assert verified.returncode == 0, verified.stdout


def test_a_preview_shows_the_plan_and_changes_nothing(site: Path, call: Call) -> None:
    assert call("nau", "nau.password", "weekend.cfg", "init").returncode == 0
    there = sorted(site.rglob("BACKUPS/*"))
    shown = json_of(call("nau", "nau.password", "weekend.cfg", "Preview=yes", "--json"))
    tasks = {task["vm"]: (task["method"], task["keep"]["last"]) for task in shown["tasks"]}  # type: ignore[attr-defined]
    assert tasks == {
        LARGE: ("vdi-export", 4),
        **dict.fromkeys(("PROD-web", "PROD-db"), ("vm-export", 4)),
        **dict.fromkeys(("DEV-RH6", "DEV-RH7"), ("vm-export", 3)),
    }
    done = call("nau", "nau.password", "weekend.cfg", "preview")
    assert done.returncode == 0
    assert "weekend.cfg, as NAU VMbackup 3.0 reads it: max_backups=4 backup_dir=" in done.stdout
    assert sorted(site.rglob("BACKUPS/*")) == there


def test_a_folder_that_is_not_known_is_never_written_to(site: Path, call: Call) -> None:
    """Before it is set up, and after: what is there when the share is not mounted is another folder of that path."""
    done = call("nau", "nau.password", "weekend.cfg")
    assert done.returncode == 10
    (line,) = re.findall(r"Then, once: vmbackup (nau .*)", done.stderr)
    assert "init" in line
    assert list((site / "BACKUPS").iterdir()) == []
    assert call(*line.partition(" --settings")[0].split()).returncode == 0, "the line that the message names does it"
    (site / "BACKUPS").rename(site / "unmounted")
    (site / "BACKUPS").mkdir()
    done = call("nau", "nau.password", "weekend.cfg")
    assert done.returncode == 10
    assert "a folder is made known by: vmbackup nau" in done.stderr
    assert list((site / "BACKUPS").iterdir()) == []
    (site / "BACKUPS").rmdir()
    (site / "unmounted").rename(site / "BACKUPS")
    assert call("nau", "nau.password", "weekend.cfg").returncode == 0


def test_old_backups_stay_beside_ours_and_other_files_are_refused(site: Path, call: Call) -> None:
    stranger = site / "BACKUPS" / "holiday.jpg"
    stranger.write_bytes(b"jpeg")
    refused = call("nau", "nau.password", "weekend.cfg", "init")
    assert refused.returncode == 10
    assert "'holiday.jpg'" in refused.stderr
    old = site / "BACKUPS" / "PROD web" / "backup-2019-01-05-(02:00:11)"
    old.mkdir(parents=True)
    for name in ("PROD web.xva", "success", "vm-metadata.xml"):
        (old / name).write_bytes(b"old")
    done = call("nau", "nau.password", "weekend.cfg", "init")
    assert done.returncode == 0, done.stderr
    assert "the old backups of 1 VMs in it stay as they are" in done.stdout
    assert call("nau", "nau.password", "weekend.cfg").returncode == 0
    assert {path.name for path in old.iterdir()} == {"PROD web.xva", "success", "vm-metadata.xml"}
    shutil.rmtree(site / "state")
    again = call("nau", "nau.password", "weekend.cfg", "init")
    assert again.returncode == 0
    assert "was set up before, and is known here now" in again.stdout
    assert call("nau", "nau.password", "weekend.cfg", "preview").returncode == 0


def test_a_password_on_the_command_line_is_gone_from_there_once_it_is_read(site: Path, pool: Simulator) -> None:
    """The configuration is a pipe, so that the process waits for it, with the password read."""
    os.mkfifo(site / "pipe.cfg")
    line = command("nau", pool.password, "pipe.cfg", "init", "--state", str(site / "state"))
    with subprocess.Popen(line, cwd=site, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        shown = Path(f"/proc/{process.pid}/cmdline")
        while b"*" * len(pool.password) not in shown.read_bytes():
            assert process.poll() is None
            time.sleep(0.05)
        assert pool.password.encode() not in shown.read_bytes()
        assert b"pipe.cfg" in shown.read_bytes(), "the rest is as it was"
        (site / "pipe.cfg").write_text((site / "weekend.cfg").read_text())
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "everyone on this machine can read it" in err
    assert pool.password not in out + err


def test_selectors_in_the_place_of_a_file(site: Path, call: Call) -> None:
    settings = site / "nau.toml"
    settings.write_text(
        settings.read_text() + f'[defaults]\nbackup_dir = "{site}/BACKUPS"\nmax_backups = 1\n'
        f'[reporters.old]\ntype = "json"\npath = "{site}"\n'
    )
    assert call("nau", "nau.password", "PROD-web", "init").returncode == 0
    for selector, taken in (("DEV-RH*", DEV_RH), ("vdi-export=PROD-db:2", {*DEV_RH, "PROD-db"})):
        done = call("nau", "nau.password", selector, "compress=TRUE", "pre_clean=True")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "pre_clean is not followed" in done.stderr
        assert set(copies(site)) == taken
    images = {path.name for path in site.glob("BACKUPS/*/*/*/*") if path.name.startswith(("image", "disk"))}
    assert images == {"image.xva.gz", "disk-0.raw.gz"}
    assert len(list(site.glob("*.json"))) == 2, "who is told of each run is named in nau.toml"
    idle = call("nau", "nau.password", "vm-export=(gone|DEV)-S.*")
    assert idle.returncode == 0, idle.stdout
    (site / "two.cfg").write_text(f"backup_dir={site}/BACKUPS\nvm-export=DEV-SUSE\nvm-export=web[.]lan\n")
    idle = call("nau", "nau.password", "two.cfg")
    assert idle.returncode == 5, "all good, but for a line that fits no VM"
    assert "two.cfg:3: vm-export=web[.]lan: there is no such VM" in idle.stderr
    everything = call("nau", "nau.password", "vm-export=")
    assert everything.returncode == 2
    assert "takes all VMs" in everything.stderr
    assert "--all-vms" in everything.stderr
    shown = json_of(call("nau", "nau.password", "vm-export=", "preview", "--all-vms", "--json"))
    assert len(shown["tasks"]) == len(NAMES)  # type: ignore[arg-type]


def test_the_status_log_goes_on_and_missing_vms_show_in_it_and_in_the_exit_code(site: Path, call: Call) -> None:
    (site / "status.log").write_text("2019/01/05 02:00:00,vmbackup.py,xen1,begin\n")
    (site / "a.cfg").write_text(
        f"status_log={site}/status.log\nbackup_dir={site}/BACKUPS\npool_db_backup=1\nvdi_export_format=vhd\n"
        "vdi-export=PROD-web\nvm-export=PROD-gone\nvm-export=(?i)dev-rh6\nTHREADS=4\n"
    )
    refused = call("nau", "nau.password", "a.cfg", "init")
    assert refused.returncode == 2
    assert "a.cfg:8: there is no key 'THREADS'" in refused.stderr
    assert call("nau", "nau.password", "a.cfg", "init", "ignore_extra_keys=True").returncode == 0
    done = call("nau", "nau.password", "a.cfg", "ignore_extra_keys=true")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "a.cfg:6: vm-export=PROD-gone: there is no such VM" in done.stderr
    lines = [line.split(",") for line in (site / "status.log").read_text().splitlines()]
    assert [(what, begins) for _, what, _, begins, *_ in lines] == [
        ("vmbackup.py", "begin"),
        ("vmbackup.py", "begin"),
        ("vm-export", "begin"),
        ("vm-export", "end"),
        ("vdi-export", "begin"),
        ("vdi-export", "end"),
        ("vmbackup.py", "end"),
    ]
    assert lines[3][4:] == ["SUCCESS DEV-RH6", "elapse:0 size:0G"]
    assert lines[-1][4:] == ["ERROR", "S:2 W:0 E:1"]
    assert len(list(site.glob("BACKUPS/pool-database/*/pool.xml"))) == 1
    assert len(list(site.glob("BACKUPS/*/*/*/disk-0.vhd"))) == 1


def test_the_words_of_the_old_command_line(site: Path, call: Call) -> None:
    done = call("nau", "any password", "config", "help", "example")
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("max_backups=4", "pre_clean=True", "vm-export=DEV-RH*:3"):
        assert text in done.stdout
    assert call("nau").returncode == 2
    made = call("nau", "s3cret", "Create-Password-File=made")
    assert made.returncode == 0
    assert "s3cret" not in made.stdout + made.stderr
    assert (site / "made").read_text() == "czNjcmV0"
    assert (site / "made").stat().st_mode & 0o777 == 0o600
    mistyped = call("nau", "nau.password", "weekand.cfg")
    assert mistyped.returncode == 2
    assert "there is no file weekand.cfg" in mistyped.stderr


def test_a_wrong_password_a_strange_certificate_and_a_wrong_file_beside_have_their_own_codes(
    site: Path, call: Call
) -> None:
    assert call("nau", "nau.password", "weekend.cfg", "init").returncode == 0
    (site / "nau.password").write_bytes(base64.b64encode(b"wrong"))
    assert call("nau", "nau.password", "weekend.cfg").returncode == 12
    strange = call("nau", "nau.password", "weekend.cfg", "--fingerprint", "00" * 32)
    assert strange.returncode == 12
    assert "--fingerprint sha256:" in strange.stderr
    assert backups(site) == set()
    settings = site / "nau.toml"
    settings.write_text(settings.read_text() + '[reporters.log]\ntype = "status-log"\npath = "relative"\n')
    wrong = call("nau", "nau.password", "weekend.cfg")
    assert wrong.returncode == 2
    assert f"{settings}:6: reporters.log.path: give an absolute path" in wrong.stderr


def test_signs_of_both_dialects_are_shown_in_both_readings_and_nothing_runs(site: Path, call: Call) -> None:
    (site / "both.cfg").write_text("# mixed\nvm-export=DEV-RH*:3\nvm-export=(PROD|web).*\n")
    done = call("nau", "nau.password", "both.cfg")
    assert done.returncode == 2
    assert (
        "both.cfg:2: vm-export=DEV-RH*:3: in 3.0 VMs whose names begin with 'DEV-RH'; in 3.25 VMs whose names begin as"
        " the regular expression 'DEV-RH*' says"
    ) in done.stderr
    assert "--dialect 3.0 or --dialect 3.25" in done.stderr
    done = call("config", "import", "both.cfg", "--dialect", "3.25")
    assert done.returncode == 0
    matches = [entry["match"] for entry in tomllib.loads(done.stdout)["jobs"]["both"]["vms"]]
    assert matches == ["/DEV-RH*(?s:.*)/", "/(?:(PROD|web).*)(?s:.*)/"]
