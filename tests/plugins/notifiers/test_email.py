import email
import email.policy
import re
import socket
import ssl
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.plugins.notifiers.mail_server import PASSWORD, USERNAME, Authority, Mailbox, Serve

from vmbackup import NotifyError, Report, report_text
from vmbackup.conformance import reports
from vmbackup_notifiers.email import Email, EmailSettings
from vmbackup_notifiers.email.message import LONG


def notifier(port: int, **settings: object) -> Email:
    section = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "from": "backup@example.edu",
        "to": ["ops@example.edu", "night-shift@example.edu"],
        "timeout": 5,
        "retries": 0,
        **settings,
    }
    return Email("ops", EmailSettings.model_validate(section))


def read(mailbox: Mailbox) -> EmailMessage:
    (mail,) = mailbox.mails
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text(message: EmailMessage, kind: str = "plain") -> str:
    body = message.get_body((kind,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


class Seen(HTMLParser):
    """What of a page is to be seen, without how it looks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        if line := data.strip():
            self.lines.append(line)


def attached(message: EmailMessage) -> list[str]:
    return [part.get_content().replace("\r\n", "\n") for part in message.iter_attachments()]


def test_the_mail_says_what_the_report_says(serve: Serve, report: Report) -> None:
    mailbox = serve()
    notifier(mailbox.port).notify(report)
    message = read(mailbox)
    assert message["Subject"] == "[vmbackup] FAILED weekend: 1 of 3 VMs and 1 failure of the run on pool campus-pool"
    assert message["From"] == "backup@example.edu"
    assert message["To"] == "ops@example.edu, night-shift@example.edu"
    assert message["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<.+\.vmbackup@example\.edu>", message["Message-ID"])
    assert abs(message["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert message.get_content_type() == "multipart/alternative"
    assert text(message) == report_text(report)
    assert mailbox.mails[0].sender == "backup@example.edu"
    assert mailbox.mails[0].recipients == ["ops@example.edu", "night-shift@example.edu"]


def test_the_mail_is_safe_with_old_servers(serve: Serve, report: Report) -> None:
    mailbox = serve()
    notifier(mailbox.port).notify(replace(report, run=replace(report.run, job="Wöchentlich " * 9)))
    content = mailbox.mails[0].content
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 78
    assert read(mailbox)["Subject"].startswith("[vmbackup] FAILED Wöchentlich Wöchentlich")


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\r\n ", "\x0b", "\x85", "\u2028", "\x00"])
def test_names_of_the_pool_make_no_headers(serve: Serve, report: Report, end: str) -> None:
    mailbox = serve()
    hostile = f"pool{end}Bcc: victim@example.org{end}{end}body\ud800"
    pool = replace(report.run.pool, name=hostile)
    result = replace(report.results[1], vm=hostile, method=hostile)
    notifier(mailbox.port).notify(replace(report, run=replace(report.run, job=hostile, pool=pool), results=(result,)))
    message = read(mailbox)
    assert message["Bcc"] is None
    assert len(message.keys()) == len(set(message.keys())) == 8
    assert mailbox.mails[0].recipients == ["ops@example.edu", "night-shift@example.edu"]
    assert message["Subject"].startswith(
        "[vmbackup] FAILED pool Bcc: victim@example.org body: 1 of 1 VMs and 1 failure"
    )


@pytest.mark.parametrize("shape", reports())
def test_both_parts_say_the_same(serve: Serve, shape: str) -> None:
    mailbox = serve()
    notifier(mailbox.port).notify(reports()[shape])
    message = read(mailbox)
    seen = Seen(text(message, "html"))
    assert seen.lines == [line.strip() for line in text(message).splitlines() if line.strip()]
    assert seen.tags <= {"html", "head", "meta", "body", "h1", "div"}


def test_a_long_report_is_attached_and_the_mail_shows_what_went_wrong(serve: Serve) -> None:
    mailbox = serve()
    many = reports()["a run of many VMs"]
    bad = replace(many.results[150], outcomes=reports()["a failed run"].results[0].outcomes)
    told = replace(many, results=(*many.results[:150], bad, *many.results[151:]))
    notifier(mailbox.port).notify(told)
    message = read(mailbox)
    assert message["Subject"] == "[vmbackup] FAILED weekend: 1 of 200 VMs on pool campus"
    shown = text(message)
    assert len(shown.splitlines()) < 40
    assert "vm 150" in shown
    assert "Make room." in shown
    assert "the whole report is attached" in shown
    assert attached(message) == [report_text(told)]
    assert Seen(text(message, "html")).lines == [line.strip() for line in shown.splitlines() if line.strip()]


def test_a_long_report_of_failures_is_cut_and_attached(serve: Serve) -> None:
    mailbox = serve()
    bad = reports()["a failed run"]
    told = replace(bad, results=bad.results * 200)
    notifier(mailbox.port).notify(told)
    message = read(mailbox)
    assert len(text(message).splitlines()) == LONG + 2
    assert attached(message) == [report_text(told)]


def test_a_short_report_is_not_attached(serve: Serve, report: Report) -> None:
    mailbox = serve()
    notifier(mailbox.port).notify(report)
    assert attached(read(mailbox)) == []


def test_a_mail_that_is_sent_again_is_known_by_its_id(serve: Serve, report: Report) -> None:
    mailbox = serve()
    for label, told in (("ops", report), ("ops", report), ("boss", report), ("ops", reports()["a good run"])):
        section = notifier(mailbox.port).settings
        Email(label, section).notify(replace(told, run=replace(told.run, id=told.result)))
    ids = [email.message_from_bytes(mail.content)["Message-ID"] for mail in mailbox.mails]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_who_was_refused_gets_it_later_and_the_others_not_again(serve: Serve, report: Report) -> None:
    mailbox = serve()
    mailbox.answers["night-shift@example.edu"] = "450 4.2.0 greylisted"
    with pytest.raises(NotifyError) as raised:
        notifier(mailbox.port).notify(report)
    assert raised.value.told == ("ops@example.edu",)
    with pytest.raises(NotifyError) as again:
        notifier(mailbox.port).notify_rest(report, raised.value.told)
    assert again.value.told == ("ops@example.edu",)
    mailbox.answers.clear()
    notifier(mailbox.port).notify_rest(report, again.value.told)
    assert [mail.recipients for mail in mailbox.mails] == [["ops@example.edu"], ["night-shift@example.edu"]]
    notifier(mailbox.port).notify_rest(report, ("ops@example.edu", "night-shift@example.edu"))
    assert len(mailbox.mails) == 2


@pytest.mark.parametrize("command", ["MAIL", "DATA"])
def test_what_may_pass_is_tried_again_at_once(serve: Serve, report: Report, command: str) -> None:
    mailbox = serve()
    mailbox.passing[command] = ["451 4.3.0 try later", "421 4.3.2 shutting down"]
    notifier(mailbox.port, retries=2, **{"retry-wait": 0.01}).notify(report)
    assert len(mailbox.mails) == 1
    assert mailbox.passing[command] == []


def test_what_does_not_pass_is_tried_so_often_and_no_more(serve: Serve, report: Report) -> None:
    mailbox = serve()
    mailbox.passing["DATA"] = ["451 4.3.0 try later"] * 5
    with pytest.raises(NotifyError, match="451"):
        notifier(mailbox.port, retries=1, **{"retry-wait": 0.01}).notify(report)
    assert len(mailbox.passing["DATA"]) == 3


def test_what_will_not_pass_is_not_tried_again(serve: Serve, report: Report) -> None:
    mailbox = serve()
    mailbox.passing["DATA"] = ["554 5.6.0 not this"] * 2
    with pytest.raises(NotifyError, match="554"):
        notifier(mailbox.port, retries=5, **{"retry-wait": 0.01}).notify(report)
    assert len(mailbox.passing["DATA"]) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_starttls_and_login(
    serve: Serve, server_tls: ssl.SSLContext, authority: Authority, report: Report, mechanism: str
) -> None:
    mailbox = serve(starttls=server_tls, without=tuple({"PLAIN", "LOGIN"} - {mechanism}))
    login = {"username": USERNAME, "password": PASSWORD}
    notifier(mailbox.port, tls="starttls", ca=authority.ca, **login).notify(report)
    assert mailbox.logins == [(mechanism, USERNAME, PASSWORD)]
    assert [mail.encrypted for mail in mailbox.mails] == [True]


def test_tls_from_the_start(serve: Serve, server_tls: ssl.SSLContext, authority: Authority, report: Report) -> None:
    mailbox = serve(tls=server_tls)
    login = {"username": USERNAME, "password": PASSWORD}
    notifier(mailbox.port, tls="tls", ca=authority.ca, **login).notify(report)
    assert [mail.encrypted for mail in mailbox.mails] == [True]
    assert len(mailbox.logins) == 1


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_of_a_stranger_is_refused(
    serve: Serve, server_tls: ssl.SSLContext, report: Report, tls: str
) -> None:
    mailbox = serve(starttls=server_tls) if tls == "starttls" else serve(tls=server_tls)
    with pytest.raises(NotifyError, match="could not be trusted") as raised:
        notifier(mailbox.port, tls=tls, username=USERNAME, password=PASSWORD).notify(report)
    assert "ca" in raised.value.advice
    assert (mailbox.logins, mailbox.mails) == ([], [])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_for_another_name_is_refused(
    serve: Serve, misnamed_tls: ssl.SSLContext, authority: Authority, report: Report, tls: str
) -> None:
    mailbox = serve(starttls=misnamed_tls) if tls == "starttls" else serve(tls=misnamed_tls)
    with pytest.raises(NotifyError, match="could not be trusted"):
        notifier(mailbox.port, tls=tls, ca=authority.ca, username=USERNAME, password=PASSWORD).notify(report)
    assert (mailbox.logins, mailbox.mails) == ([], [])


def test_without_starttls_nothing_is_sent(serve: Serve, report: Report) -> None:
    mailbox = serve()
    with pytest.raises(NotifyError, match="STARTTLS"):
        notifier(mailbox.port, tls="starttls").notify(report)
    assert mailbox.mails == []


def test_a_wrong_password_is_said_and_not_shown(
    serve: Serve, server_tls: ssl.SSLContext, authority: Authority, report: Report
) -> None:
    mailbox = serve(starttls=server_tls)
    section = {"tls": "starttls", "ca": authority.ca, "username": USERNAME, "password": "hunter2"}
    with pytest.raises(NotifyError, match="refused the login") as raised:
        notifier(mailbox.port, **section).notify(report)
    assert "hunter2" not in str(raised.value)
    assert mailbox.mails == []
    mailbox.answers["AUTH"] = "535 what is {}?"
    with pytest.raises(NotifyError, match=r"535 what is \*\*\*\?") as raised:
        notifier(mailbox.port, **section).notify(report)
    assert raised.value.__suppress_context__, "the library's error has the server's words"


def test_a_password_that_smtp_cannot_carry_is_said_and_not_shown(
    serve: Serve, server_tls: ssl.SSLContext, authority: Authority, report: Report
) -> None:
    mailbox = serve(starttls=server_tls)
    section = {"tls": "starttls", "ca": authority.ca, "username": USERNAME, "password": "schlüssel"}
    with pytest.raises(NotifyError, match="ASCII") as raised:
        notifier(mailbox.port, **section).notify(report)
    assert "schl" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_recipient_that_is_refused_is_named_and_the_others_are_told(serve: Serve, report: Report) -> None:
    mailbox = serve()
    mailbox.answers["night-shift@example.edu"] = "550 5.1.1 no such user"
    with pytest.raises(
        NotifyError, match=r"refused 1 recipients and took 1: night-shift@example\.edu: 550 5\.1\.1 no such"
    ):
        notifier(mailbox.port).notify(report)
    assert mailbox.mails[0].recipients == ["ops@example.edu"]


def test_all_recipients_may_be_refused(serve: Serve, report: Report) -> None:
    mailbox = serve()
    mailbox.answers |= {"ops@example.edu": "550 no", "night-shift@example.edu": "450 later"}
    with pytest.raises(NotifyError, match=r"took 0: .*550 no; .*450 later"):
        notifier(mailbox.port).notify(report)
    assert mailbox.mails == []


@pytest.mark.parametrize(("command", "answer"), [("MAIL", "553 5.7.1 not you"), ("DATA", "554 5.6.0 not this")])
def test_what_the_server_refuses_is_said(serve: Serve, report: Report, command: str, answer: str) -> None:
    mailbox = serve()
    mailbox.answers[command] = answer
    with pytest.raises(NotifyError, match=f"refused the mail: {answer}") as raised:
        notifier(mailbox.port).notify(report)
    assert raised.value.message.startswith(f"notifier ops: the mail server 127.0.0.1:{mailbox.port} ")
    assert raised.value.exit_code == 1


def test_how_the_goodbye_goes_changes_nothing(serve: Serve, report: Report) -> None:
    mailbox = serve()
    mailbox.answers["QUIT"] = "500 what"
    notifier(mailbox.port).notify(report)
    assert len(mailbox.mails) == 1


def test_a_server_that_is_not_there(report: Report) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(NotifyError, match="refused") as raised:
            notifier(bound.getsockname()[1]).notify(report)
    assert "host, port and tls" in raised.value.advice


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"554 go away\r\n", b"\xff" * 3000])
@pytest.mark.parametrize("tls", ["none", "tls"])
def test_a_server_that_does_not_speak_smtp(report: Report, greeting: bytes, tls: str) -> None:
    """With an empty greeting it says nothing for longer than we wait."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(greeting)
                if not greeting:
                    done.wait(10)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(NotifyError):
            notifier(listening.getsockname()[1], tls=tls, timeout=0.3).notify(report)
        assert time.monotonic() - begun < 5
        done.set()
        thread.join(10)


def test_a_file_of_authorities_that_is_none(report: Report, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"")
    for ca in ("absent.pem", "empty.pem"):
        with pytest.raises(NotifyError, match=f"{ca}: no CA certificates"):
            notifier(1, tls="tls", ca=tmp_path / ca).notify(report)


@pytest.mark.parametrize(("tls", "port"), [("none", 25), ("starttls", 587), ("tls", 465)])
def test_the_port_follows_from_tls(tls: str, port: int) -> None:
    section = {"host": "mail.example.edu", "tls": tls, "from": "a@example.edu", "to": ["b@example.edu"]}
    assert Email("ops", EmailSettings.model_validate(section)).settings.server_port == port
    assert EmailSettings.model_validate({key: section[key] for key in ("host", "from", "to")}).tls == "starttls"


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": []},
        {"to": ["ops@example.edu\r\nBcc: x@example.edu"]},
        {"to": ["a@example.edu, b@example.edu"]},
        {"from": "Backup <backup@example.edu>"},
        {"username": "somebody"},
        {"password": "x"},
        {"username": "somebody", "password": "x", "tls": "none"},
        {"port": 0},
        {"timeout": 0},
        {"subject": "x"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    section = {"host": "mail.example.edu", "from": "a@example.edu", "to": ["b@example.edu"]}
    EmailSettings.model_validate(section)
    with pytest.raises(ValidationError):
        EmailSettings.model_validate(section | wrong)
