"""Calls that the kernel may hold for ever, such as any on a mount whose server is silent, made with a limit."""

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class NoAnswer(Exception):
    """The call has not returned in time. It still goes on in its thread, which ends with it or with the process."""


def _forget(_: object) -> None:
    pass


def within(seconds: float, call: Callable[[], T], late: Callable[[T], object] = _forget) -> T:
    """Return what `call` returns and raise what it raises, or raise NoAnswer after `seconds`.

    What it returns when nobody waits any more is given to `late`. The call runs in a thread of its own: in this one,
    no signal could end its wait in the kernel.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the answer is waited for
            if not answer.cancelled():
                answer.set_exception(error)
            return
        try:
            answer.set_result(result)
        except InvalidStateError:
            late(result)

    Thread(target=work, name="deadline", daemon=True).start()
    try:
        wait([answer], seconds)
    finally:
        given_up = answer.cancel()
    if given_up:
        raise NoAnswer
    return answer.result()
