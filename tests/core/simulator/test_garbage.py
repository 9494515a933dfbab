from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import Simulator

MINUTE = 60
HOUR = 3600


def exists(xapi: Client, task: str) -> bool:
    try:
        xapi("task.get_status", task)
    except Refused as refused:
        return refused.details != ["HANDLE_INVALID", "task", task]
    return True


def completed(xapi: Client) -> str:
    task: str = xapi("Async.SR.scan", xapi("SR.get_all")[0])
    assert xapi.wait(task)["status"] == "success"
    return task


def test_a_completed_task_is_kept_for_65_minutes(sim: Simulator, xapi: Client) -> None:
    task, pending = completed(xapi), xapi.task()
    sim.clock.advance(64 * MINUTE)
    assert exists(xapi, task)
    sim.clock.advance(2 * MINUTE)
    assert not exists(xapi, task)
    assert exists(xapi, pending)
    assert xapi("session.get_tasks", xapi.session) == [pending]


def test_a_pending_task_that_comes_no_further_goes_after_a_day(sim: Simulator, xapi: Client) -> None:
    moving, hung = xapi.task(), xapi.task()
    sim.clock.advance(23 * HOUR)
    sim.clock.advance(MINUTE)
    assert exists(xapi, hung)
    sim.clock.advance(HOUR)
    for progress in (0.1, 0.2):
        xapi("task.set_progress", moving, progress)
        sim.clock.advance(MINUTE)
    assert exists(xapi, moving)
    assert not exists(xapi, hung)
    sim.clock.advance(MINUTE)
    assert not exists(xapi, moving)


def test_of_more_than_200_completed_tasks_the_oldest_go(sim: Simulator, xapi: Client) -> None:
    tasks = [completed(xapi) for _ in range(205)]
    pending = xapi.task()
    sim.clock.advance(30)
    assert xapi("task.get_all") == [*tasks[5:], pending]


def test_new_tasks_are_dated_by_the_clock(sim: Simulator, xapi: Client) -> None:
    created = xapi("task.get_created", xapi.task()).value
    sim.clock.advance(100)
    assert xapi("task.get_created", xapi.task()).value > created
