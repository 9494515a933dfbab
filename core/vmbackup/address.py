"""How the command line names a backup: `TARGET:VM@TIME`, any unique part of it, or `VM@latest`. Pure."""

from collections.abc import Sequence

from vmbackup.errors import ConfigError
from vmbackup.results import Backup

SHOWN = 8


def resolve(text: str, backups: Sequence[Backup]) -> Backup:
    """Return the one backup that `text` names; `backups` are oldest first. Raises ConfigError for none or several.

    `VM@latest` is the newest that no verification has found wrong, or the newest where they all are.
    """
    found = [backup for backup in backups if _fits(text, backup)]
    exact = [backup for backup in found if text in {backup.address, backup.address.partition(":")[2]}]
    if text.endswith("@latest") and found:
        names = {(backup.target, backup.manifest.vm.uuid if backup.manifest.vm else "") for backup in found}
        if len(names) == 1:
            return next((backup for backup in reversed(found) if not backup.fault), found[-1])
    elif len(found) == 1 or len(exact) == 1:
        return (exact or found)[0]
    if not found:
        raise ConfigError(f"no backup is called {text!r}", advice="`vmbackup list` shows what there is.")
    # Two VMs of one name, backed up in the same second, have one address: then their folders tell them apart.
    twins = len({backup.address for backup in found}) < len(found)
    shown = [f"{backup.target}:{backup.folder}" if twins else backup.address for backup in found[-SHOWN:]]
    some = "".join(f"\n  {name}" for name in shown)
    raise ConfigError(f"{len(found)} backups are called {text!r}:{some}", advice="Say more of the one that you mean.")


def caution(text: str, chosen: Backup, backups: Sequence[Backup]) -> str:
    """Say what somebody should know who gets `chosen` by `text`: that it was found wrong, or a newer one was; or ""."""
    if chosen.fault:
        wrong = "; ".join(f"{wrong.file}: {wrong.message}" for wrong in chosen.fault.wrong)
        return f"{chosen.address} was found wrong on {chosen.fault.moment:%Y-%m-%d}: {wrong}"
    found = [backup for backup in backups if text.endswith("@latest") and _fits(text, backup)]
    newer = [backup.address for backup in found[found.index(chosen) + 1 :]] if found else []
    return f"{chosen.address} is not the newest: {', '.join(newer)} was found wrong" if newer else ""


def _fits(text: str, backup: Backup) -> bool:
    if text.endswith("@latest"):
        wanted = text.removesuffix("@latest")
        target, colon, name = wanted.partition(":")
        vm = backup.manifest.vm
        names = {vm.name, vm.uuid} if vm else {"pool-database"}
        return wanted in names or (bool(colon) and target == backup.target and name in names)
    vm, folder = backup.manifest.vm, f"{backup.target}:{backup.folder}"
    named = vm is not None and text == vm.uuid
    return named or text in backup.address or ("/" in text and text in folder)
