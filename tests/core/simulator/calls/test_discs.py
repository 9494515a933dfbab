import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def test_a_disc_is_put_in_and_taken_out(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)]))
    kinds = {xapi("VBD.get_type", vbd): vbd for vbd in xapi("VM.get_VBDs", vm)}
    drive, other = kinds["CD"], kinds["Disk"]
    (iso,) = [ref for ref, disk in sim.records("VDI").items() if disk["is_tools_iso"]]
    assert refused(xapi, "VBD.eject", drive) == ["VBD_IS_EMPTY", drive]
    assert refused(xapi, "VBD.eject", other) == ["VBD_NOT_REMOVABLE_MEDIA", other]
    disk = xapi("VBD.get_VDI", other)
    assert refused(xapi, "VBD.insert", drive, disk)[:2] == ["VDI_IS_NOT_ISO", disk]
    xapi("VBD.insert", drive, iso)
    assert (xapi("VBD.get_empty", drive), xapi("VBD.get_VDI", drive)) == (False, iso)
    assert refused(xapi, "VBD.insert", drive, iso) == ["VBD_NOT_EMPTY", drive]
    xapi("VBD.eject", drive)
    assert (xapi("VBD.get_empty", drive), xapi("VBD.get_VDI", drive)) == (True, "OpaqueRef:NULL")
