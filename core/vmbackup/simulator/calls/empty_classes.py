"""Classes of which this pool has no object: clients that list everything get an empty answer for each."""

from typing import Final

from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.errors import XapiError, handle_invalid
from vmbackup.simulator.schema import MODEL

TABLE: Final = Table()
_NAMES = (
    "Bond Cluster Cluster_host DR_task Driver_variant Feature GPU_group Host_driver LVHD Observer PCI PGPU"
    " PIF_metrics PUSB PVS_cache_storage PVS_proxy PVS_server PVS_site Repository SDN_controller USB_group VBD_metrics"
    " VGPU_type VIF_metrics VLAN VMPP VM_group console crashdump host_cpu host_crashdump host_patch network_sriov"
    " pool_patch pool_update role subject tunnel"
)
NAMES: Final = frozenset(_NAMES.split()) - set(MODEL.classes)


def _add(cls: str) -> None:
    @TABLE.call(f"{cls}.get_all", result=f"{cls} ref set")
    def get_all(_context: Context) -> list[str]:
        return []

    @TABLE.call(f"{cls}.get_all_records", result=f"{cls} ref->string map")
    def get_all_records(_context: Context) -> dict[str, str]:
        return {}

    @TABLE.call(f"{cls}.get_all_records_where", "string", result=f"{cls} ref->string map")
    def get_all_records_where(_context: Context, _expression: str) -> dict[str, str]:
        return {}

    @TABLE.call(f"{cls}.get_record", f"{cls} ref", result="string")
    def get_record(_context: Context, ref: str) -> None:
        raise handle_invalid(cls, ref)

    @TABLE.call(f"{cls}.get_by_uuid", "string", result=f"{cls} ref")
    def get_by_uuid(_context: Context, uuid: str) -> None:
        raise XapiError("UUID_INVALID", cls, uuid)


for _cls in sorted(NAMES):
    _add(_cls)
