"""Who is at a mirror: one process of this installation at a time."""

from contextlib import AbstractContextManager

from vmbackup.state import State


def mirror_lock(state: State, label: str) -> AbstractContextManager[None]:
    """Hold a mirror while things are done there. Raises LockHeld, naming the holder, while another process does."""
    return state.lock(f"mirror={label}", f"mirroring to {label!r}")
