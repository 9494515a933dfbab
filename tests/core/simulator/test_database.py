from collections.abc import Sequence

import pytest

from vmbackup.simulator.database import Database
from vmbackup.simulator.errors import XapiError


def test_sets_of_refs_follow_the_refs() -> None:
    db = Database()
    repository = db.create("SR", {})
    other = db.create("SR", {})
    vdi = db.create("VDI", {"SR": repository})
    assert (db.get("SR", repository)["VDIs"], db.get("SR", other)["VDIs"]) == ([vdi], [])
    db.set("VDI", vdi, SR=other)
    assert (db.get("SR", repository)["VDIs"], db.get("SR", other)["VDIs"]) == ([], [vdi])
    db.delete("VDI", vdi)
    assert db.get("SR", other)["VDIs"] == []


def test_a_change_is_told_of_once_at_its_end_with_all_it_touched() -> None:
    db = Database()
    told: list[Sequence[tuple[str, str]]] = []
    db.keep = told.append
    with db.change():
        repository = db.create("SR", {})
        vdi = db.create("VDI", {"SR": repository})
        db.set("VDI", vdi, name_label="x")
    assert told == [(("SR", repository), ("VDI", vdi))]
    db.set("VDI", vdi, name_label="x")
    assert len(told) == 1
    db.delete("VDI", vdi)
    assert told[1:] == [(("VDI", vdi), ("SR", repository))]


def test_records_are_complete_and_defaults_are_not_shared() -> None:
    db = Database()
    first, second = db.get("VM", db.create("VM", {})), db.get("VM", db.create("VM", {}))
    assert (first["generation_id"], first["power_state"], first["VBDs"]) == ("0:0", "Halted", [])
    assert first["tags"] is not second["tags"]
    assert first["uuid"] != second["uuid"]


def test_what_is_gone_is_named() -> None:
    db = Database()
    for attempt in (lambda: db.get("VM", "x"), lambda: db.set("VM", "x", tags=[]), lambda: db.delete("VM", "x")):
        with pytest.raises(XapiError) as caught:
            attempt()
        assert caught.value.description == ["HANDLE_INVALID", "VM", "x"]
