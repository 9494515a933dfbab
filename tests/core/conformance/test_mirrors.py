"""The promises of mirrors bite: for each there is a mirror that breaks it, and it is found out by that promise."""

from pathlib import Path

import pytest
from tests.core.broken_mirrors import BROKEN, Promise, over

from vmbackup import conformance
from vmbackup.conformance import MIRROR_PROMISES, FolderPlace, PromiseBroken
from vmbackup_mirrors.copy import Copy

ROOT = Path(__file__).parents[3]
UNENTERED = [conformance.never_lists_short]
ALL: list[Promise] = [*MIRROR_PROMISES, conformance.tells_that_it_goes_on, *UNENTERED]


def named(promise: Promise) -> str:
    return promise.__name__


def held(kind: type[Copy], folder: Path, promise: Promise) -> None:
    if promise in UNENTERED:
        promise(over(kind, folder / "away"))
        return
    with over(kind, folder) as mirror:
        promise(mirror, FolderPlace(folder))


@pytest.mark.parametrize(
    ("kind", "promise"), BROKEN.items(), ids=[f"{named(promise)}-{kind.__name__}" for kind, promise in BROKEN.items()]
)
def test_a_mirror_that_breaks_a_promise_is_found_out_by_it(tmp_path: Path, kind: type[Copy], promise: Promise) -> None:
    with pytest.raises(PromiseBroken) as raised:
        held(kind, tmp_path, promise)
    assert str(raised.value)


def test_every_promise_is_broken_by_somebody() -> None:
    assert set(BROKEN.values()) == set(ALL)


@pytest.mark.parametrize("promise", ALL, ids=named)
def test_every_promise_is_stated_in_one_line_and_documented(promise: Promise) -> None:
    first, _, rest = (promise.__doc__ or "").partition("\n")
    assert first.endswith(".")
    assert not rest
    assert getattr(conformance, named(promise)) is promise
    assert named(promise) in conformance.__all__
    assert f"\n| {named(promise).replace('_', ' ')} | {first} |\n" in (ROOT / "docs/mirrors.md").read_text()
