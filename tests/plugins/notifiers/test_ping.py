import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.plugins.notifiers.web_server import WebServer

from vmbackup import NotifyError, Report
from vmbackup.conformance import reports
from vmbackup_notifiers.ping import Ping, PingSettings

CHECK = "/c0ffee00-1111-4222-8333-444455556666"


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as serving:
        yield serving


def ping(server: WebServer, path: str = CHECK, **settings: object) -> Ping:
    section = {"url": server.url(path), "timeout": 5, "retry-wait": 0.01, **settings}
    return Ping("alive", PingSettings.model_validate(section))


def now(report: Report, ago: timedelta = timedelta()) -> Report:
    return replace(report, finished=datetime.now(UTC) - ago)


def signals(server: WebServer) -> list[str]:
    return [request.path.partition("?")[0] for request in server.got]


@pytest.mark.parametrize(
    ("shape", "signal", "with_code"),
    [
        ("a good run", "", ""),
        ("a run with warnings", "", ""),
        ("a failed run", "/fail", "/4"),
        ("a run that was good with one VM alone", "/fail", "/3"),
        ("a run that was interrupted", "/fail", "/143"),
        ("a run that did not come to its pool", "/fail", "/12"),
    ],
)
def test_the_signs_of_a_run(server: WebServer, shape: str, signal: str, with_code: str) -> None:
    report = now(reports()[shape])
    ping(server).started(report.run)
    ping(server).notify(report)
    ping(server, failed="exit-code").notify(report)
    assert signals(server) == [f"{CHECK}/start", f"{CHECK}{signal}", f"{CHECK}{with_code}"]
    begins, over, _ = (request.body.decode() for request in server.got)
    assert begins == "weekend begins\n"
    assert report.run.id in over


def test_the_start_and_the_end_of_a_run_belong_together(server: WebServer) -> None:
    report = now(reports()["a good run"])
    ping(server).started(report.run)
    ping(server).notify(report)
    ping(server).notify(replace(report, run=replace(report.run, id="another")))
    ids = [uuid.UUID(request.path.partition("?rid=")[2]) for request in server.got]
    assert ids[0] == ids[1] != ids[2]


def test_a_late_sign_is_no_sign_of_life(server: WebServer) -> None:
    for shape in ("a good run", "a failed run"):
        ping(server).notify(now(reports()[shape], timedelta(minutes=61)))
        ping(server).notify(now(reports()[shape], timedelta(minutes=50)))
    assert signals(server) == [f"{CHECK}/log", CHECK, f"{CHECK}/log", f"{CHECK}/fail"]


def test_what_the_address_asks_for_stays(server: WebServer) -> None:
    ping(server, "/key/backups/?create=1").started(reports()["a good run"].run)
    (request,) = server.got
    assert request.path.startswith("/key/backups/start?create=1&rid=")


def test_a_long_report_is_cut(server: WebServer) -> None:
    many = reports()["a run of many VMs"]
    ping(server).notify(now(replace(many, results=many.results * 20)))
    assert len(server.got[0].body) == 100_000


def test_a_check_that_is_not_there_is_said_and_its_address_is_not(server: WebServer) -> None:
    wrong = ping(server, "/lost/canary-ping")
    report = reports()["a good run"]
    with pytest.raises(NotifyError, match="answered 404") as begun:
        wrong.started(report.run)
    with pytest.raises(NotifyError, match="answered 404") as over:
        wrong.notify(report)
    assert "canary" not in f"{begun.value} {over.value}"
