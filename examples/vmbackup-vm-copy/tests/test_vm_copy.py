"""The whole test of a method: one fixture, for an SR of the simulated pool."""

import pytest
from vmbackup_vm_copy import VmCopy, VmCopySettings

from vmbackup.testing import MethodContract, SimulatedSite

pytest_plugins = ["vmbackup.testing.fixtures"]


class TestVmCopy(MethodContract):
    """Everything that a method promises."""

    @pytest.fixture
    def method(self, site: SimulatedSite) -> VmCopy:
        """Return a method that copies to a second SR."""
        return VmCopy("vm-copy", VmCopySettings(sr=site.pool.add_sr("vault")))
