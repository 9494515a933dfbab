"""Whether anything lies on a target that is to become ours."""

from vmbackup.contracts import Target
from vmbackup.settings import Settings


def something_on(target: Target[Settings]) -> str:
    """Name something that lies on an entered target, or ""; what is hidden belongs to the storage."""
    other = target.other_names()
    names = (one.name for one in other.entries(())) if other else (one.key for one in target.entries())
    return next((name for name in names if not name.startswith(".")), "")
