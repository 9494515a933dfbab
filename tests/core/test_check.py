from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.core.broken_targets import Overwrites
from tests.core.stores import local, tree

from vmbackup import Entry, TargetError
from vmbackup.check import FIRST_ROUND, Finding, examine, measure, refuse_locks
from vmbackup.conformance import PROMISES
from vmbackup.conformance.holding import scratch
from vmbackup_targets.local import Local

MIB = 1 << 20


def test_a_good_target_keeps_every_promise(tmp_path: Path) -> None:
    with local(tmp_path) as target:
        findings = list(examine(target, "check/me"))
    assert [finding.promise.replace(" ", "_") for finding in findings] == [promise.__name__ for promise in PROMISES]
    assert [finding for finding in findings if not finding.kept] == []
    assert tree(tmp_path) == {}


def test_a_broken_promise_is_told_with_its_reason(tmp_path: Path) -> None:
    with local(tmp_path, Overwrites) as target:
        findings = list(examine(target, "check/me"))
    reason = "storing under a key that is taken was not refused; KeyExists is due"
    assert [finding for finding in findings if not finding.kept] == [Finding("refuses a second store", reason)]


class Buggy(Local):
    def free(self) -> int | None:
        return 1 // 0

    def entries(self, prefix: str = "") -> "list[Entry]":  # type: ignore[override]
        raise TargetError("target nas: gone", advice="Bring it back.")


def test_whatever_a_target_raises_is_a_finding(tmp_path: Path) -> None:
    with local(tmp_path, Buggy) as target:
        reasons = {finding.promise: finding.reason for finding in examine(target, "check/me")}
    assert reasons["keeps every byte"] == "target nas: gone Bring it back."
    bug = "ZeroDivisionError: integer division or modulo by zero (a bug in this target's plugin)"
    assert reasons["says how much is free"] == bug


class Locking(Local):
    """Lets nobody delete anything for a while."""

    def locked_until(self, key: str) -> datetime | None:
        return datetime(2026, 3, 14, tzinfo=UTC) if self.stat(key) else None


def test_a_target_that_locks_what_is_stored_is_not_checked_and_gets_one_file_however_often(tmp_path: Path) -> None:
    with local(tmp_path, Locking) as target:
        for _ in range(2):
            with pytest.raises(TargetError, match=r"it locks what is stored, .* until 2026-03-14 00:00:00 UTC"):
                refuse_locks(target, "me")
        assert [entry.key for entry in target.entries("vmbackup-check/me")] == ["vmbackup-check/me/lock"]
    with local(tmp_path) as target:
        refuse_locks(target, "me")
    assert tree(tmp_path) == {}


def test_the_speed_is_of_as_many_bytes_as_asked_for(tmp_path: Path) -> None:
    told: list[int] = []
    with local(tmp_path) as target:
        speed = measure(target, "check/me", 2 * MIB + 5, told.append)
    assert speed.size == 2 * MIB + 5
    assert sum(told) == 2 * speed.size
    assert min(speed.write_seconds, speed.read_seconds) > 0
    assert tree(tmp_path) == {}


class Narrow(Local):
    """Says what it is told to say about its free space."""

    free_now: int | None = 0

    def free(self) -> int | None:
        return self.free_now


@pytest.mark.parametrize(("free", "rounds"), [(0, 1), (FIRST_ROUND * 10, 1), (FIRST_ROUND * 40, 2)])
def test_without_a_size_the_file_grows_up_to_a_tenth_of_what_is_free(tmp_path: Path, free: int, rounds: int) -> None:
    with local(tmp_path, Narrow) as target:
        assert isinstance(target, Narrow)
        target.free_now = free
        speed = measure(target, "check/me", None, lambda _: None)
    assert speed.size in {FIRST_ROUND * 4**number for number in range(rounds)}


def test_what_a_killed_check_left_is_removed_and_nobody_elses(tmp_path: Path) -> None:
    with local(tmp_path) as target:
        target.store("vmbackup-check/other/key", [b"x"])
        target.store("vmbackup-check/me/0123456789abcdef/a/key", [b"x"])
        target.store("pool/vm/image.xva", [b"x"])
        leave_unfinished(tmp_path / "vmbackup-check/me/speed")
        leave_unfinished(tmp_path / "pool/vm/image.xva.zst")
        with scratch(target, "me") as folder:
            assert folder == "vmbackup-check/me"
            assert not (tmp_path / folder).exists()
            target.store(f"{folder}/key", [b"x"])
        left = {name for name in tree(tmp_path) if not name.endswith("/")}
    assert left == {
        "vmbackup-check/other/key",
        "pool/vm/image.xva",
        "pool/vm/.image.xva.zst.0123456789abcdef.partial",
    }


def leave_unfinished(place: Path) -> None:
    place.with_name(f".{place.name}.0123456789abcdef.partial").write_bytes(b"x")
