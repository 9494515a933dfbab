"""Calls on the pool as a whole (xapi_pool.ml)."""

from typing import Final

from vmbackup.simulator import restarts
from vmbackup.simulator.calls.table import Context, Table

TABLE: Final = Table()


@TABLE.call("pool.designate_new_master", "host ref", asynchronous=True)
def designate_new_master(context: Context, host: str) -> None:
    """Hand the pool over to another host. All toolstacks restart: sessions, tasks and streams are gone."""
    pool = context.pool
    restarts.assert_can_lead(pool, host)
    if host != pool.record["master"]:
        restarts.moved(pool, host)
        pool.cut_streams()
