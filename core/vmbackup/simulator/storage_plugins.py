"""The storage manager's plugins as the pool lists them: class SM (sm: the drivers' own tables)."""

from vmbackup.simulator.database import Database

_COMMON = ("SR_PROBE", "SR_UPDATE", "VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH", "VDI_UPDATE")
_CHAINS = (
    *_COMMON,
    "SR_SUPPORTS_LOCAL_CACHING",
    "VDI_CLONE",
    "VDI_CONFIG_CBT",
    "VDI_GENERATE_CONFIG",
    "VDI_MIRROR",
    "VDI_RESET_ON_BOOT",
    "VDI_RESIZE",
    "VDI_SNAPSHOT",
)
_LVM = tuple(name for name in _CHAINS if name != "SR_SUPPORTS_LOCAL_CACHING")
_PLUGINS = {
    "ext": (
        "Local EXT3 VHD",
        "SR plugin which represents disks as VHD files stored on a local EXT3 filesystem",
        _CHAINS,
    ),
    "nfs": ("NFS VHD", "SR plugin which stores disks as VHD files on a remote NFS filesystem", _CHAINS),
    "smb": ("SMB", "SR plugin which stores disks as VHD files on a remote SMB filesystem", _CHAINS),
    "lvm": ("Local VHD on LVM", "SR plugin which represents disks as VHD disks on Logical Volumes", _LVM),
    "lvmoiscsi": ("VHD over iSCSI", "SR plugin which represents disks as Logical Volumes on an iSCSI LUN", _LVM),
    "iso": ("ISO", "Handles CD images stored as files in iso format", ("VDI_ATTACH", "VDI_DETACH")),
    "udev": ("udev", "SR plugin which represents devices plugged in via udev as VDIs", ("VDI_ATTACH", "VDI_DETACH")),
}


def install(db: Database) -> None:
    """Make the records of the plugins."""
    for kind, (name, description, features) in _PLUGINS.items():
        db.create(
            "SM",
            {
                "name_label": name,
                "name_description": description,
                "type": kind,
                "vendor": "Citrix Systems Inc",
                "copyright": "(C) 2008 Citrix Systems Inc",
                "version": "1.0",
                "required_api_version": "1.0",
                "capabilities": list(features),
                "features": dict.fromkeys(features, 1),
                "driver_filename": f"/opt/xensource/sm/{kind.upper()}SR",
            },
        )
