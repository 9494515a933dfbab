"""Promises about which target this is: a backup on the wrong disk is found on the day that it is needed."""

from datetime import UTC, datetime
from uuid import uuid4

from vmbackup.conformance.below import whole
from vmbackup.conformance.content import read
from vmbackup.conformance.holding import refused
from vmbackup.contracts import Target
from vmbackup.errors import TargetNotProven
from vmbackup.manifest import IDENTITY, Identity
from vmbackup.repository import Repository
from vmbackup.settings import Settings


def is_known_by_its_identity(target: Target[Settings]) -> None:
    """A target proves to be the one whose id the configuration has: with another id, or without its file, it does not.

    A target that is set up is only read; on one that is not, the file is there for the moment.
    """
    root, _ = whole(target)
    if root.stat(IDENTITY) is not None:
        _prove(root)
        return
    with refused(TargetNotProven, "a target without an identity"):
        Repository(root, str(uuid4())).prove()
    try:
        identity = Identity(id=str(uuid4()), label=root.label, created=datetime.now(UTC))
        Repository(root, identity.id).store_fact(IDENTITY, identity)
        _prove(root)
    finally:
        root.delete(IDENTITY)
    with refused(TargetNotProven, "a target whose identity is gone"):
        Repository(root, identity.id).prove()


def _prove(root: Target[Settings]) -> None:
    identity = Identity.model_validate_json(read(root, IDENTITY))
    Repository(root, identity.id).prove()
    for wrong in (str(uuid4()), ""):
        with refused(TargetNotProven, f"a target whose id is not {wrong!r}"):
            Repository(root, wrong).prove()


def refuses_to_be_another(target: Target[Settings]) -> None:
    """A target that is not the one its settings describe raises TargetNotProven when it is entered.

    Needs a target, not entered, whose settings demand something else than what is there.
    """
    with refused(TargetNotProven, "entering what is not the one in the settings"), target:
        pass
