"""How the command line names a backup: `TARGET:VM@TIME`, any unique part of it, or `VM@latest`. Pure."""

from collections.abc import Sequence

from vmbackup.errors import ConfigError
from vmbackup.results import Backup

SHOWN = 8


def resolve(text: str, backups: Sequence[Backup]) -> Backup:
    """Return the one backup that `text` names; `backups` are oldest first. Raises ConfigError for none or several."""
    found = [backup for backup in backups if _fits(text, backup)]
    exact = [backup for backup in found if text in {backup.address, backup.address.partition(":")[2]}]
    if text.endswith("@latest") and found:
        names = {(backup.target, backup.manifest.vm.uuid if backup.manifest.vm else "") for backup in found}
        if len(names) == 1:
            return found[-1]
    elif len(found) == 1 or len(exact) == 1:
        return (exact or found)[0]
    if not found:
        raise ConfigError(f"no backup is called {text!r}", advice="`vmbackup list` shows what there is.")
    some = "".join(f"\n  {backup.address}" for backup in found[-SHOWN:])
    raise ConfigError(
        f"{len(found)} backups are called {text!r}:{some}", advice="Say more of the address, such as the time."
    )


def _fits(text: str, backup: Backup) -> bool:
    if text.endswith("@latest"):
        wanted = text.removesuffix("@latest")
        target, colon, name = wanted.partition(":")
        vm = backup.manifest.vm
        names = {vm.name, vm.uuid} if vm else {"pool-database"}
        return wanted in names or (bool(colon) and target == backup.target and name in names)
    return text in backup.address or (backup.manifest.vm is not None and text == backup.manifest.vm.uuid)
