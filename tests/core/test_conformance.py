"""The promises bite: for each there is a target that breaks it, and it is found out by that promise."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.broken_targets import BROKEN, KeepsFolders
from tests.core.stores import IDENTITY, make, opened, tree

from vmbackup import Settings, Target, conformance
from vmbackup.check import words
from vmbackup.conformance import PROMISES, Promise, PromiseBroken, hold
from vmbackup.conformance.dying import write_and_die
from vmbackup.keys import KEY_BYTES
from vmbackup_targets.local import Local, LocalSettings

ROOT = Path(__file__).parents[2]
LIMITED = [conformance.stays_usable_when_full]
UNENTERED = [conformance.refuses_to_be_another]


@pytest.fixture
def limited() -> Iterator[None]:
    """No file of this process may be larger than 8 MiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def held(kind: type[Local], folder: Path, promise: Promise) -> None:
    target = kind("disk", LocalSettings(path=folder))
    if promise in UNENTERED:
        promise(target)
        return
    with target:
        hold(target, promise)


class Stopped(BaseException):
    """As a signal."""


def stores_and_stops(target: Target[Settings]) -> None:
    for key in ("a/key", "/".join("z" * ((KEY_BYTES - 40) // 2))):
        target.store(key, [b"x"])
    write_and_die(target, "b/unfinished")
    raise Stopped


def test_all_is_removed_again_and_the_rest_of_the_target_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        make(repository)
        before = tree(tmp_path)
        with pytest.raises(Stopped):
            hold(repository.target, stores_and_stops)
        assert tree(tmp_path) == before
        for promise in PROMISES:
            hold(repository.target, promise)
            assert tree(tmp_path) == before


def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    with (
        KeepsFolders("disk", LocalSettings(path=tmp_path)) as target,
        pytest.raises(PromiseBroken, match="something stays in vmbackup-check/"),
    ):
        hold(target, conformance.keeps_every_byte)


def test_a_set_up_target_is_known_and_only_read(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        repository.initialise(IDENTITY)
        before = tree(tmp_path)
        hold(repository.target, conformance.is_known_by_its_identity)
        assert tree(tmp_path) == before


def test_vmbackup_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import vmbackup.cli, vmbackup.conformance"
    subprocess.run([sys.executable, "-c", code], check=True)


def unlimited() -> list[tuple[type[Local], Promise]]:
    return [(kind, promise) for kind, promise in BROKEN.items() if promise not in LIMITED]


@pytest.mark.parametrize(
    ("kind", "promise"), unlimited(), ids=[f"{promise.__name__}-{kind.__name__}" for kind, promise in unlimited()]
)
def test_a_target_that_breaks_a_promise_is_found_out_by_it(tmp_path: Path, kind: type[Local], promise: Promise) -> None:
    with pytest.raises(PromiseBroken) as raised:
        held(kind, tmp_path, promise)
    assert str(raised.value)


@pytest.mark.parametrize("kind", [kind for kind, promise in BROKEN.items() if promise in LIMITED])
def test_a_target_that_leaves_something_when_it_is_full_is_found_out(
    tmp_path: Path, limited: None, kind: type[Local]
) -> None:
    with pytest.raises(PromiseBroken, match=r"full/image\.xva did not fit, and something of it stays"):
        held(kind, tmp_path, conformance.stays_usable_when_full)


def test_every_promise_is_broken_by_somebody() -> None:
    assert set(BROKEN.values()) == {*PROMISES, *LIMITED, *UNENTERED}


@pytest.mark.parametrize("promise", [*PROMISES, *LIMITED, *UNENTERED])
def test_every_promise_is_in_the_documentation(promise: Promise) -> None:
    statement = (promise.__doc__ or "").splitlines()[0]
    assert f"\n| {words(promise)} | {statement} |\n" in (ROOT / "docs/targets.md").read_text()


@pytest.mark.parametrize("promise", [*PROMISES, *LIMITED, *UNENTERED])
def test_every_promise_is_stated_in_one_line(promise: Promise) -> None:
    first, _, rest = (promise.__doc__ or "").partition("\n")
    assert first.endswith(".")
    assert not rest or rest.startswith("\n")
    assert getattr(conformance, promise.__name__) is promise
    assert promise.__name__ in conformance.__all__
