"""The promises of methods: ours keep them, and for each there is one that breaks it and is found out by it."""

from pathlib import Path

import pytest
from tests.core.testing.broken_methods import BROKEN

from vmbackup import Method, Settings, testing
from vmbackup.check import words
from vmbackup.conformance import PromiseBroken
from vmbackup.methods.vdi_export import VdiExport, VdiExportSettings
from vmbackup.methods.vm_export import VmExport, VmExportSettings
from vmbackup.testing import METHOD_PROMISES, MethodContract, MethodPromise, SimulatedSite

pytest_plugins = ["vmbackup.testing.fixtures"]


class TestVmExport(MethodContract):
    @pytest.fixture
    def method(self) -> VmExport:
        return VmExport("whole", VmExportSettings())


class TestVdiExport(MethodContract):
    @pytest.fixture
    def method(self) -> VdiExport:
        return VdiExport("os-disk", VdiExportSettings(format="vhd"))


@pytest.mark.parametrize(
    ("kind", "promise"), BROKEN.items(), ids=[f"{promise.__name__}-{kind.__name__}" for kind, promise in BROKEN.items()]
)
def test_one_that_breaks_a_promise_is_found_out_by_it(
    site: SimulatedSite, kind: type[Method[Settings]], promise: MethodPromise
) -> None:
    with pytest.raises(PromiseBroken) as raised:
        promise(kind("broken", kind.Settings()), site)
    assert str(raised.value)


def test_every_promise_is_broken_by_somebody() -> None:
    assert set(BROKEN.values()) == set(METHOD_PROMISES)


@pytest.mark.parametrize("promise", METHOD_PROMISES)
def test_every_promise_is_in_the_documentation(promise: MethodPromise) -> None:
    statement = (promise.__doc__ or "").splitlines()[0]
    page = Path(__file__).parents[3] / "docs/plugins/methods.md"
    assert getattr(testing.exporting, promise.__name__) is promise
    assert f"\n| {words(promise)} | {statement} |\n" in page.read_text()
