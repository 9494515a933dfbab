"""What the parts of keys are called on the share: themselves, but for the devices of DOS.

Windows opens a device, and Samba shows another name, for a file that is called `con` or `aux.json`.
"""

import re
from typing import Final

from vmbackup import KeyRefused, check_key

_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
# In no key, and allowed in every name.
_MARK: Final = "%"


def path(folder: str, key: str = "") -> str:
    """Where a key lies below `folder` of the share; the folder itself if there is no key."""
    return join(folder, *(shown(part) for part in key.split("/")))


def join(*parts: str) -> str:
    """A path of the share from parts, each of which may be a path itself."""
    return "\\".join(part.replace("/", "\\") for part in parts if part)


def shown(part: str) -> str:
    """The name of a part of a key."""
    return f"{_MARK}{part}" if _DEVICE.fullmatch(part) else part


def key_of(prefix: str, name: str) -> str | None:
    """The key of what is called `name` in the folder `prefix`; None if it is no key's."""
    part = name.removeprefix(_MARK)
    key = f"{prefix}/{part}" if prefix else part
    try:
        return check_key(key) if shown(part) == name else None
    except KeyRefused:
        return None
