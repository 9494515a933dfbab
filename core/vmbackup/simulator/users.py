"""Who may log in and what for (xapi_session.ml, rbac.ml): root, and users of an external directory with a role each."""

from dataclasses import dataclass
from typing import Literal

from vmbackup.simulator.errors import XapiError

Role = Literal["pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator", "read-only"]
ROLES: tuple[Role, ...] = ("pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator", "read-only")

_OTHERWISE: dict[Role, frozenset[str]] = {
    "pool-admin": frozenset({"network.add_purpose", "network.remove_purpose", "network.set_purpose"}),
    "vm-power-admin": frozenset(
        {
            "SR.scan",
            "VDI.forget",
            "VDI.introduce",
            "VM.checkpoint",
            "VM.migrate_send",
            "VM.pool_migrate",
            "VM.resume_on",
            "VM.revert",
            "VM.snapshot",
            "VM.snapshot_with_quiesce",
            "VM.start_on",
            "host.migrate_receive",
        }
    ),
    "vm-admin": frozenset({"VDI.get_nbd_info", "network.create", "network.destroy"}),
    "vm-operator": frozenset(
        {
            "VBD.eject",
            "VBD.insert",
            "VDI.list_changed_blocks",
            "VM.add_tags",
            "VM.clean_reboot",
            "VM.clean_shutdown",
            "VM.hard_reboot",
            "VM.hard_shutdown",
            "VM.pause",
            "VM.remove_tags",
            "VM.resume",
            "VM.set_tags",
            "VM.shutdown",
            "VM.start",
            "VM.suspend",
            "VM.unpause",
        }
    ),
    "read-only": frozenset({"VM.update_allowed_operations", "message.get"}),
}
_ROLES_OF_CALLS: dict[str, Role] = {name: role for role, names in _OTHERWISE.items() for name in names}
_ANYBODY = frozenset({"event", "session", "task"})
_FOR_VM_ADMINS = frozenset({"VM", "VDI", "VBD", "VIF", "VGPU", "VTPM", "VUSB", "VM_appliance"})
_HANDLERS: dict[str, Role] = {"get_pool_xml_db_sync": "pool-admin", "get_rrd_updates": "read-only"}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in; the local superuser is root, all others come from a directory."""

    name: str
    password: str
    role: Role
    superuser: bool = False


def needed(call: str) -> Role:
    """Give the least role that may make a call: the data model's `allowed_roles`, coarsely by class and verb."""
    cls, _, verb = call.partition(".")
    if call in _ROLES_OF_CALLS:
        return _ROLES_OF_CALLS[call]
    if cls in _ANYBODY:
        return "read-only"
    if cls == "secret":
        return "pool-operator"
    if verb.startswith(("get_", "assert_", "compute_")):
        return "read-only"
    return "vm-admin" if cls in _FOR_VM_ADMINS else "pool-operator"


def needed_by_handler(action: str) -> Role:
    """Give the least role that may use an HTTP handler, by its action's name (`get_export`)."""
    return _HANDLERS.get(action, "vm-admin")


def refusal(user: User, permission: str, least: Role) -> XapiError | None:
    """Give `RBAC_PERMISSION_DENIED [permission; message]` when the user's role is less, or None (rbac.ml)."""
    allowed = ROLES[: ROLES.index(least) + 1]
    if user.superuser or user.role in allowed:
        return None
    message = f"No permission in user session. (Roles with this permission: {', '.join(allowed)})"
    return XapiError("RBAC_PERMISSION_DENIED", permission.lower(), message)
