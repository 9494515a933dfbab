import re
import stat
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from vmbackup import Kept, Report
from vmbackup.conformance import reports
from vmbackup_reporters.exposition import Sample, exposition
from vmbackup_reporters.prometheus import HELPS, LAST_GOOD, Prometheus, PrometheusSettings

NAME = "vmbackup-weekend.prom"
WEB = 'job="weekend",vm="PROD-web",uuid="00000001-7d2e-4f3a-9c1b-0a1b2c3d4e5f"'


@pytest.fixture
def reporter(tmp_path: Path) -> Prometheus:
    return Prometheus("metrics", PrometheusSettings(path=tmp_path))


def checked(text: str) -> None:
    """Prometheus's own tool finds nothing to say, neither of the form nor of the names."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), text


def values(text: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def test_what_a_run_came_to(reporter: Prometheus, report: Report, tmp_path: Path) -> None:
    reporter.write(report)
    (path,) = tmp_path.iterdir()
    assert path.name == NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    text = path.read_text()
    checked(text)
    found = values(text)
    start = report.run.started.timestamp()
    assert found['vmbackup_run_start_timestamp_seconds{job="weekend"}'] == start
    assert found['vmbackup_run_duration_seconds{job="weekend"}'] == 7507
    assert found['vmbackup_run_success{job="weekend"}'] == 0
    assert found['vmbackup_run_exit_code{job="weekend"}'] == 3
    assert found['vmbackup_run_vms{job="weekend",result="failed"}'] == 1
    assert found['vmbackup_inventory_vms{job="weekend",state="excluded"}'] == 1
    assert found['vmbackup_inventory_vms{job="weekend",state="other"}'] == 1
    assert found['vmbackup_target_free_bytes{job="weekend",target="nas"}'] == 5 << 39
    assert found[f"vmbackup_vm_read_bytes{{{WEB}}}"] == 21 << 30
    assert found[f"vmbackup_vm_duration_seconds{{{WEB}}}"] == 723.4
    assert found[f"vmbackup_vm_read_bytes_per_second{{{WEB}}}"] == pytest.approx((21 << 30) / 723.4)
    assert found[f"vmbackup_vm_chain_images{{{WEB}}}"] == 2
    at = f'{{{WEB},target="nas"}}'
    assert found[f"vmbackup_vm_success{at}"] == 1
    assert found[f"vmbackup_vm_stored_bytes{at}"] == 3 << 29
    assert found[f"vmbackup_vm_copies{at}"] == 4
    assert found[f"{LAST_GOOD}{at}"] == start + 1800
    assert found[f"vmbackup_vm_last_verification_timestamp_seconds{at}"] == start - 9 * 86400
    database = f'job="weekend",vm="PROD-db",uuid="{report.results[1].uuid}",target="nas"'
    assert found[f"vmbackup_vm_success{{{database}}}"] == 0
    assert f"vmbackup_vm_stored_bytes{{{database}}}" not in found
    assert f"vmbackup_vm_last_verification_timestamp_seconds{{{database}}}" not in found


def test_every_metric_is_shown_by_some_run_and_of_the_right_form(reporter: Prometheus, tmp_path: Path) -> None:
    shown: set[str] = set()
    for report in reports().values():
        reporter.write(report)
        text = (tmp_path / NAME).read_text() if report.run.job == "weekend" else ""
        shown |= {series.partition("{")[0] for series in values(text)}
        (tmp_path / NAME).unlink(missing_ok=True)
    assert shown == set(HELPS)


@pytest.mark.parametrize("shape", [shape for shape in reports() if "called" in shape or "long" in shape])
def test_names_that_mean_harm_are_values_of_labels(reporter: Prometheus, shape: str, tmp_path: Path) -> None:
    reporter.write(reports()[shape])
    (path,) = tmp_path.iterdir()
    checked(path.read_text())


def test_a_name_is_shown_as_it_is_and_makes_no_series(reporter: Prometheus, report: Report, tmp_path: Path) -> None:
    hostile = replace(report.results[0], vm='a"} 1\nvmbackup_run_success{job="weekend"} 1\\')
    reporter.write(replace(report, results=(hostile,), kept=()))
    text = (tmp_path / NAME).read_text()
    checked(text)
    assert 'vm="a\\"} 1 vmbackup_run_success{job=\\"weekend\\"} 1\\\\"' in text
    assert values(text)['vmbackup_run_success{job="weekend"}'] == 0


def test_each_job_has_a_file_of_its_own(reporter: Prometheus, report: Report, tmp_path: Path) -> None:
    reporter.write(report)
    first = (tmp_path / NAME).read_text()
    reporter.write(replace(report, run=replace(report.run, job="daily")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vmbackup-daily.prom", NAME]
    assert (tmp_path / NAME).read_text() == first


def test_a_run_that_saw_no_target_does_not_forget_how_old_the_backups_are(
    reporter: Prometheus, report: Report, tmp_path: Path
) -> None:
    both = replace(report, targets=("nas", "usb"), kept=(*report.kept, replace(report.kept[0], target="usb")))
    reporter.write(both)
    before = {series: value for series, value in values((tmp_path / NAME).read_text()).items() if LAST_GOOD in series}
    assert len(before) == 4

    def shown(told: Report) -> dict[str, float]:
        reporter.write(told)
        text = (tmp_path / NAME).read_text()
        checked(text)
        return {series: value for series, value in values(text).items() if LAST_GOOD in series}

    blind = replace(both, results=(), kept=(), inventory=(), spaces=())
    assert shown(blind) == shown(blind) == before
    newer = Kept("nas", "PROD-web", report.results[0].uuid, 4, report.finished + timedelta(days=7))
    half = shown(replace(both, kept=(newer,)))
    assert set(half) == {f'{LAST_GOOD}{{{WEB},target="{target}"}}' for target in ("nas", "usb")}
    assert half[f'{LAST_GOOD}{{{WEB},target="nas"}}'] == (report.finished + timedelta(days=7)).timestamp()
    assert set(shown(replace(blind, targets=("nas",)))) == {f'{LAST_GOOD}{{{WEB},target="nas"}}'}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"garbage\n" + LAST_GOOD.encode() + b'{target="nas"} x\n'])
def test_what_stood_in_the_file_before_and_is_not_ours_is_left_out(
    reporter: Prometheus, report: Report, content: bytes, tmp_path: Path
) -> None:
    blind = replace(report, results=(), kept=())
    reporter.write(blind)
    expected = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content)
    reporter.write(blind)
    assert (tmp_path / NAME).read_bytes() == expected


def test_no_job_leads_out_of_the_folder(reporter: Prometheus, report: Report, tmp_path: Path) -> None:
    reporter.write(replace(report, run=replace(report.run, job="../../etc/cron.d/x")))
    (path,) = tmp_path.iterdir()
    assert re.fullmatch(r"vmbackup-[A-Za-z0-9._-]+\.prom", path.name)
    checked(path.read_text())


def test_a_series_stands_once_with_its_last_value() -> None:
    samples = [Sample("a", {"x": "1"}, 1), Sample("b", {"x": "1"}, 2), Sample("a", {"x": "1"}, 3)]
    text = exposition(samples, {"b": "What b is.", "a": "What a is.", "c": "Not there."})
    assert text == (
        '# HELP b What b is.\n# TYPE b gauge\nb{x="1"} 2\n# HELP a What a is.\n# TYPE a gauge\na{x="1"} 3\n'
    )
