"""Who is answered: at the coordinator alone, and only what the session's user may ask (api_server.ml, rbac.ml)."""

from collections.abc import Sequence

from vmbackup.simulator import tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.users import User, needed, refusal

_OF_ONES_OWN_TASK = frozenset(
    {"task.cancel", "task.destroy", "task.set_status", "task.set_progress", "task.set_result", "task.set_error_info"}
)


def assert_answers(pool: Pool, host: str) -> None:
    """Raise what a host says to every call: why it is in emergency mode, or `HOST_IS_SLAVE [coordinator's address]`."""
    if error := pool.emergencies.get(host):
        raise error
    if host != pool.record["master"]:
        raise XapiError("HOST_IS_SLAVE", pool.host["address"])


def assert_permitted(pool: Pool, session: str, user: User, call: str, arguments: Sequence[object]) -> None:
    """Raise XapiError `RBAC_PERMISSION_DENIED` when the user's role is too low, or the task is somebody else's."""
    error = refusal(user, call, needed(call))
    if error is None and call in _OF_ONES_OWN_TASK and not tasks.is_owner(pool, session, str(arguments[0])):
        error = refusal(user, "task.destroy/any", "pool-operator")
    if error is not None:
        raise error
