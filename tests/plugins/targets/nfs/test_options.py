import pytest

from vmbackup_targets.nfs.options import checked, complete


@pytest.mark.parametrize("text", ["", "nfsvers=4.2,hard,timeo=600,retrans=2,rsize=1048576", "sec=krb5p,nconnect=4,ro"])
def test_options_of_nfs_are_taken_as_they_are(text: str) -> None:
    assert checked(text) == text
    assert complete(text).startswith(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nfsver=4", "did you mean 'nfsvers'"),
        ("bg", "background"),
        ("hard,bg", "background"),
        ("sharecache", "kept apart"),
        ("retry=5", "patience"),
        ("hard,soft", "hard and soft exclude each other"),
        ("nfsvers=5", "not a value for nfsvers"),
        ("timeo", "not a value for timeo"),
        ("hard=1", "not a value for hard"),
        ("rsize=1k", "not a value for rsize"),
        ("hard,", "unknown option ''"),
        ("suid", "unknown option 'suid'"),
        ("port=2049 ", "not a value for port"),
    ],
)
def test_what_is_unknown_or_does_harm_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        checked(text)


def test_a_mount_is_soft_unless_another_recovery_is_named() -> None:
    assert "soft" in complete("").split(",")
    assert "soft" in complete("nfsvers=3").split(",")
    for recovery in ("hard", "softerr"):
        assert complete(recovery).split(",").count("soft") == 0


def test_version_3_asks_no_service_for_locks_unless_it_is_told_to() -> None:
    assert "nolock" in complete("nfsvers=3").split(",")
    for locking in ("lock", "local_lock=flock"):
        assert "nolock" not in complete(locking).split(",")


def test_every_mount_is_kept_apart_and_holds_no_programs() -> None:
    assert {"nosharecache", "nosuid", "nodev", "noexec"} <= set(complete("").split(","))
