"""An export of an NFS server, and whether a mount is that one."""

from collections.abc import Collection
from dataclasses import dataclass

from vmbackup_targets.mount_table import Mount


@dataclass(frozen=True, slots=True)
class Share:
    """An export: `server` is a name or an address, `export` an absolute path without a slash at its end."""

    server: str
    export: str

    @property
    def source(self) -> str:
        """How mount(8) and the mount table write it; an IPv6 address stands in brackets (nfs(5))."""
        server = f"[{self.server}]" if ":" in self.server else self.server
        return f"{server}:{self.export}"

    def objection(self, mount: Mount, device: str, addresses: Collection[str]) -> str:
        """Return why `mount` is not this share, or "".

        `device` is that of the folder that was opened. `addresses` are those of the server: a mount that somebody else
        made may name it differently, and then counts by its address.
        """
        if mount.kind not in {"nfs", "nfs4"}:
            return (
                f"no NFS is mounted there; the folder lies on {mount.source} ({mount.kind}), mounted at {mount.point}"
            )
        server, separator, path = mount.source.partition(":/")
        known = {option.removeprefix("addr=") for option in mount.options if option.startswith("addr=")}
        if not separator or (server.strip("[]").lower() != self.server.lower() and not known & set(addresses)):
            return f"what is mounted there is {mount.source}, and not of {self.server}"
        if f"/{path}".rstrip("/") != self.export.rstrip("/"):
            return f"what is mounted there is {mount.source}, and not {self.export}"
        if device != mount.device:
            return f"the folder is on the device {device}, and {mount.source} on {mount.device}"
        return ""
