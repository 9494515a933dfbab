from vmbackup.simulator.database import Database
from vmbackup.simulator.history import KEPT, TRIMMED, Change, History


def followed() -> tuple[Database, History]:
    db = Database()
    history = History(db)
    db.tell = history.note
    return db, history


def every(_cls: str, _ref: str) -> bool:
    return True


def told(history: History, since: int) -> list[tuple[str, str]]:
    return [(change.operation, change.ref) for change in history.since(since, every)]


def test_only_the_latest_of_an_object_is_told() -> None:
    db, history = followed()
    start = history.generation
    network = db.create("network", {})
    db.set("network", network, name_label="a")
    assert told(history, start) == [("add", network)]
    later = history.generation
    db.set("network", network, name_label="b")
    db.set("network", network, name_label="c")
    assert told(history, later) == [("mod", network)]
    assert told(history, history.generation) == []
    db.delete("network", network)
    assert told(history, later) == [("del", network)]
    assert told(history, start) == []  # it came and went


def test_events_come_in_the_order_new_changed_gone() -> None:
    db, history = followed()
    gone, changed = db.create("network", {}), db.create("network", {})
    start = history.generation
    db.delete("network", gone)
    db.set("network", changed, name_label="x")
    first, second = db.create("network", {}), db.create("network", {})
    assert told(history, start) == [("add", first), ("add", second), ("mod", changed), ("del", gone)]


def test_only_what_is_wanted_is_told() -> None:
    db, history = followed()
    start = history.generation
    db.create("network", {})
    secret = db.create("secret", {})
    found = history.since(start, lambda cls, _: cls == "secret")
    assert found == [Change("secret", secret, "add", history.generation)]


def test_what_was_there_before_is_new_only_to_who_knows_nothing() -> None:
    db, history = followed()
    db.load("network", "old", {})
    history.adopt(["network"])
    before = history.generation - 1000
    assert told(history, 0) == [("add", "old")]
    assert told(history, before) == []
    db.touch("network", "old")
    assert told(history, before) == [("mod", "old")]
    db.touch("network", "old")
    db.table("network").clear()
    history.note([("network", "old")])
    assert told(history, before) == [("del", "old")]


def test_old_deletions_are_lost_silently() -> None:
    db, history = followed()
    refs = [db.create("network", {}) for _ in range(KEPT + 1)]
    start = history.generation
    for ref in refs[:KEPT]:
        db.delete("network", ref)
    assert told(history, start) == [("del", ref) for ref in refs[:KEPT]]
    db.delete("network", refs[KEPT])
    assert told(history, start) == [("del", ref) for ref in refs[-TRIMMED:]]
