import os
import re
import resource
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from vmbackup import Failure, NotifyError, Report
from vmbackup.conformance import reports
from vmbackup_reporters.status_log import StatusLog, StatusLogSettings, lines

HOST = socket.gethostname().partition(".")[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "status.log"


@pytest.fixture
def reporter(path: Path) -> StatusLog:
    return StatusLog("lines", StatusLogSettings(path=path))


def told(report: Report, zone: str) -> list[str]:
    """The lines of a report, as a process in that time zone writes them."""
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.core.a_run import a_run
from vmbackup_reporters.status_log import lines
print(*lines(a_run()), sep="\\n")
"""
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", code, root]
    done = subprocess.run(command, env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_lines_of_a_run_in_local_time(report: Report) -> None:
    assert told(report, "America/Phoenix") == [
        f"2026/03/14 15:00:00,vmbackup.py,{HOST},begin",
        f"2026/03/14 15:30:00,vm-export,{HOST},begin,PROD-web",
        f"2026/03/14 15:42:03,vm-export,{HOST},end,SUCCESS PROD-web,elapse:12 size:1G",
        f"2026/03/14 16:00:00,vdi-export,{HOST},begin,PROD-db",
        f"2026/03/14 16:01:01,vdi-export,{HOST},end,VDI-EXPORT-FAIL PROD-db",
        f"2026/03/14 16:30:00,vm-export,{HOST},begin,DEV-RH9-büro",
        f"2026/03/14 16:42:03,vm-export,{HOST},end,WARNING DEV-RH9-büro,elapse:12 size:1G",
        f"2026/03/14 17:05:07,vmbackup.py,{HOST},end,ERROR,S:2 W:3 E:2",
    ]


@pytest.mark.parametrize(
    ("method", "step", "word"),
    [
        ("vm-export", "snapshot", "SNAPSHOT-FAIL"),
        ("vdi-export", "snapshot", "VDI-SNAPSHOT-FAIL"),
        ("vm-export", "export", "VM-EXPORT-FAIL"),
        ("os-disk", "export", "VM-EXPORT-FAIL"),
        ("vm-export", "begin", "ERROR-INTERNAL"),
    ],
)
def test_what_failed_has_the_word_that_it_had(report: Report, method: str, step: str, word: str) -> None:
    failed = report.results[1]
    outcome = replace(failed.outcomes[0], failure=Failure(step, "CODE", "words"))
    result = replace(failed, method=method, outcomes=(outcome,))
    assert f",{method},{HOST},end,{word} PROD-db" in list(lines(replace(report, results=(result,))))[2]


def test_the_word_for_a_run() -> None:
    words = {shape: list(lines(told))[-1].split(",")[4] for shape, told in reports().items()}
    assert words["a good run"] == "SUCCESS"
    assert words["a run with warnings"] == "WARNING"
    assert words["a failed run"] == words["a run that was interrupted"] == "ERROR"
    assert words["a run that did not come to its pool"] == "ERROR"


def test_no_name_makes_a_line_or_a_field(reporter: StatusLog, path: Path) -> None:
    for report in reports().values():
        reporter.write(report)
        reporter.write(replace(report, results=tuple(replace(one, vm="a,b\nc") for one in report.results)))
    text = path.read_text()
    assert "a_b c" in text
    line = re.compile(rf"\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d,[a-z.-]+,{HOST},(begin|end)(,[^,]*){{0,2}}")
    assert [one for one in text.splitlines() if not line.fullmatch(one)] == []


def test_a_run_is_appended_and_a_cut_line_does_not_swallow_it(reporter: StatusLog, report: Report, path: Path) -> None:
    path.write_text("2026/01/01 00:00:00,vmbackup.py,old,begin\n2026/01/01 00:0")
    reporter.write(report)
    reporter.write(report)
    text = path.read_text()
    assert text.startswith("2026/01/01 00:00:00,vmbackup.py,old,begin\n2026/01/01 00:0\n2026/")
    assert text.count("vmbackup.py,") == 5
    assert text.endswith("S:2 W:3 E:2\n")


def test_what_does_not_fit_leaves_nothing(reporter: StatusLog, report: Report, path: Path) -> None:
    path.write_text("old\n")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(NotifyError, match="File too large"):
            reporter.write(report)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "old\n"


def test_a_link_is_not_followed_and_a_pipe_does_not_hang(reporter: StatusLog, report: Report, path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(NotifyError):
        reporter.write(report)
    assert not path.with_name("elsewhere").exists()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(NotifyError, match="is no file"):
        reporter.write(report)


def test_two_processes_at_once_do_not_mix_their_lines(tmp_path: Path, report: Report, path: Path) -> None:
    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.core.a_run import a_run
from vmbackup_reporters.status_log import StatusLog, StatusLogSettings
for _ in range(50):
    StatusLog("lines", StatusLogSettings(path=Path(sys.argv[2]))).write(a_run())
"""
    root = str(Path(__file__).parents[3])
    processes = [subprocess.Popen([sys.executable, "-c", code, root, str(path)]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    whole = path.read_text().splitlines()
    expected = list(lines(report))
    assert whole == expected * 100
