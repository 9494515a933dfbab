import pickle

import pytest
from pydantic import ValidationError

from vmbackup_targets.smb.settings import SmbSettings

USUAL = {"server": "nas1", "share": "backups", "username": "xen", "password": "canary-4Qp8"}


def test_the_usual_settings_and_what_follows_from_them() -> None:
    settings = SmbSettings.model_validate(USUAL)
    assert (settings.port, settings.encrypt, settings.folder, settings.user) == (445, True, "", "xen")
    assert settings.place == r"\\nas1\backups"
    assert "canary" not in repr(settings)
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes


def test_a_domain_stands_before_the_user() -> None:
    assert SmbSettings.model_validate({**USUAL, "domain": "CAMPUS"}).user == r"CAMPUS\xen"


@pytest.mark.parametrize("folder", ["xen/weekly", "xen\\weekly", "/xen//weekly/", "\\xen\\weekly"])
def test_a_folder_may_be_written_either_way(folder: str) -> None:
    settings = SmbSettings.model_validate({**USUAL, "folder": folder})
    assert settings.folder == "xen/weekly"
    assert settings.place == r"\\nas1\backups\xen\weekly"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folder": "../other"}, "a path below the share"),
        ({"folder": "a/./b"}, "a path below the share"),
        ({"folder": "C:/x"}, "a path below the share"),
        ({"share": "backups/xen"}, "the share alone"),
        ({"share": r"backups\xen"}, "the share alone"),
        ({"share": ""}, "at least 1 character"),
        ({"password": None}, "give username and password"),
        ({"username": None}, "give username and password"),
        ({"username": None, "auth": "kerberos"}, "the username that the password"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"timeout": 0}, "greater than or equal to 1"),
        ({"auth": "basic"}, "'negotiate', 'ntlm' or 'kerberos'"),
        ({"sign": False}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_meant(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SmbSettings.model_validate({**USUAL, **change})


def test_a_ticket_may_stand_for_user_and_password() -> None:
    settings = SmbSettings.model_validate({"server": "nas1", "share": "backups", "auth": "kerberos"})
    assert settings.user is None
