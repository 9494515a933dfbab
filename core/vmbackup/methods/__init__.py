"""The two methods of the seed, registered by the same hook as a stranger's."""

from collections.abc import Iterable

from vmbackup.contracts import Plugin
from vmbackup.markers import hookimpl
from vmbackup.methods.vdi_export import VdiExport
from vmbackup.methods.vm_export import VmExport
from vmbackup.settings import Settings


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `vm-export` and `vdi-export`."""
    return (VmExport, VdiExport)
