"""The promises of compressors bite: for each there is one that breaks it, and it is found out by that promise."""

from pathlib import Path

import pytest
from tests.core.broken_compressors import BROKEN, EMPTY, BelievesWhatItIsTold

from vmbackup import conformance
from vmbackup.conformance import (
    COMPRESSOR_PROMISES,
    FORMAT_PROMISES,
    CompressorPromise,
    PromiseBroken,
    refuses_hostile,
)
from vmbackup_compressors.gzip import Gzip, GzipSettings

ROOT = Path(__file__).parents[3]
ALL = [*COMPRESSOR_PROMISES, *FORMAT_PROMISES]
SETTINGS = GzipSettings(level=1, threads=1)


@pytest.mark.parametrize(
    ("kind", "promise"), BROKEN.items(), ids=[f"{promise.__name__}-{kind.__name__}" for kind, promise in BROKEN.items()]
)
def test_a_compressor_that_breaks_a_promise_is_found_out_by_it(kind: type[Gzip], promise: CompressorPromise) -> None:
    with pytest.raises(PromiseBroken) as raised:
        promise(kind("mine", SETTINGS))
    assert str(raised.value)


def test_every_promise_is_broken_by_somebody() -> None:
    assert set(BROKEN.values()) == set(ALL)


def test_room_that_is_made_for_a_claim_is_seen() -> None:
    broken = BelievesWhatItIsTold("mine", SETTINGS)
    refuses_hostile(broken, (1 << 20).to_bytes(8, "little"))
    with pytest.raises(PromiseBroken, match="MiB of memory; 384 are allowed"):
        refuses_hostile(broken, (1 << 30).to_bytes(8, "little"))


def test_a_hostile_stream_that_is_taken_is_seen() -> None:
    with pytest.raises(PromiseBroken, match="was unpacked; ImageError is due"):
        refuses_hostile(Gzip("mine", SETTINGS), EMPTY)


@pytest.mark.parametrize("promise", ALL)
def test_every_promise_is_in_the_documentation(promise: CompressorPromise) -> None:
    statement, name = (promise.__doc__ or "").splitlines()[0], promise.__name__.replace("_", " ")
    assert f"\n| {name} | {statement} |\n" in (ROOT / "docs/compressors.md").read_text()


@pytest.mark.parametrize("promise", [*ALL, refuses_hostile])
def test_every_promise_is_stated_in_one_line(promise: CompressorPromise) -> None:
    first, _, rest = (promise.__doc__ or "").partition("\n")
    assert first.endswith(".")
    assert not rest or rest.startswith("\n")
    assert getattr(conformance, promise.__name__) is promise
    assert promise.__name__ in conformance.__all__
