import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmbackup import ConfigError
from vmbackup_mirrors.program import Program, find


def python(code: str, *, fed: bool = False) -> Program:
    return Program([sys.executable, "-c", code], {"CANARY": "7"}, fed=fed)


def test_how_it_ended_and_what_it_said() -> None:
    with python("import os, sys; print(os.environ['CANARY']); sys.stderr.write(' why '); sys.exit(3)") as program:
        ended = program.wait(lambda: None)
    assert (ended.code, ended.out, ended.said) == (3, "7\n", "why")


def test_it_reads_what_it_is_fed_to_the_end_or_not() -> None:
    with python("import sys; print(len(sys.stdin.buffer.read()))", fed=True) as program:
        program.feed([bytes(100_000)] * 20)
        assert program.wait(lambda: None).out == "2000000\n"
    with python("raise SystemExit(4)", fed=True) as program:
        program.feed([bytes(100_000)] * 20)
        assert program.wait(lambda: None).code == 4


def test_movement_is_told_while_it_reads_and_writes_and_not_while_it_sleeps() -> None:
    def moved(code: str) -> int:
        beats: list[int] = []
        with python(code) as program:
            program.wait(lambda: beats.append(1))
        return len(beats)

    busy = "import time\nfor _ in range(35): open('/dev/zero', 'rb').read(9); time.sleep(0.1)"
    idle = "import time; time.sleep(3.5)"
    assert moved(busy) > moved(idle)


def test_it_ends_with_the_block_and_so_does_all_that_it_began(tmp_path: Path) -> None:
    code = f"""
import subprocess, time
child = subprocess.Popen(["sleep", "1000"])
open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
time.sleep(1000)
"""
    with python(code) as program:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.02)
    assert program._process.returncode is not None
    _wait_for_the_end_of((tmp_path / "pid").read_text())


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_it_does_not_outlive_a_process_that_leaves_its_thread_behind(tmp_path: Path, end: str) -> None:
    code = f"""
import os, signal, threading, time
from vmbackup_mirrors.program import Program
def work():
    with Program(["sleep", "1000"], {{}}) as program:
        open({str(tmp_path / "pid")!r}, "w").write(str(program._process.pid))
        program.wait(lambda: None)
threading.Thread(target=work, daemon=True).start()
while not os.path.exists({str(tmp_path / "pid")!r}): time.sleep(0.02)
time.sleep(0.5)
{end}
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    _wait_for_the_end_of((tmp_path / "pid").read_text())


def test_what_is_not_installed_is_told() -> None:
    with pytest.raises(ConfigError, match="the program vmbackup-no-such is not installed") as raised:
        find("vmbackup-no-such", "apt-get install it")
    assert raised.value.advice == "apt-get install it"


def _wait_for_the_end_of(pid: str) -> None:
    deadline = time.monotonic() + 30
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
