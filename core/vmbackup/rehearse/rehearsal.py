"""A rehearsal: a backup is brought back, started where it reaches nobody, waited for, and destroyed again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from vmbackup.errors import RestoreError, VmbackupError
from vmbackup.journal import Intent
from vmbackup.life_sign import AGENT, LifeSign
from vmbackup.manifest import Rehearsed
from vmbackup.rehearse.isolation import find_network, make_network
from vmbackup.rehearse.waiting import await_life
from vmbackup.restore import Destination, Source, Wishes, plan_for, start
from vmbackup.restore.bringing import bring_in, dress, intend, prove
from vmbackup.restore.plan import refuse
from vmbackup.results import Failure
from vmbackup.version import __version__
from vmbackup.xapi.marks import REHEARSING
from vmbackup.xapi.unmake import unmake
from vmbackup.xapi.wire import text

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rules:
    """How backups are rehearsed: on which SR, and on which network if not on one of their own.

    `sign` is what is waited for, `within` for how long at most, in seconds.
    """

    sr: str | None = None
    network: str | None = None
    sign: LifeSign = AGENT
    within: float = 600.0


class Rehearsal:
    """One backup's rehearsal. Nothing that it makes in the pool outlasts `run`, or else the next run removes it."""

    def __init__(self, source: Source, destination: Destination, rules: Rules, say: Say = lambda _: None) -> None:
        """`say` is told each step: "plan", "verify", "import", "start", "boot" and "cleanup"."""
        self._source = source
        self._destination = destination
        self._rules = rules
        self._say = say
        self._step = "plan"
        self._import_seconds = 0.0
        self._boot_seconds = 0.0
        self.left: Sequence[Failure] = ()

    def run(self) -> Rehearsed:
        """Rehearse, and return what came of it; what could not be removed again is in `left`.

        A failure of the step "plan" says nothing of the backup: the rehearsal could not take place. Raises RestoreError
        for a dump of the pool database, which is of no VM.
        """
        if self._source.backup.manifest.vm is None:
            raise RestoreError(f"{self._source.backup.address} is a dump of the pool database, in which nothing boots")
        session, journal = self._destination.session, self._destination.journal
        intent = intend(self._destination)
        failure = None
        try:
            self._rehearse(intent)
        except VmbackupError as error:
            failure = Failure.of(self._step, error)
        finally:
            self._say("cleanup")
            self.left = [Failure.of("cleanup", error) for error in unmake(session, journal, [intent])]
        return self._result(failure)

    def _rehearse(self, intent: Intent) -> None:
        destination, rules = self._destination, self._rules
        session, manifest = destination.session, self._source.backup.manifest
        self._enter("plan")
        network = find_network(destination, rules.network) if rules.network else make_network(destination)
        name = f"rehearsal of {manifest.vm.name}" if manifest.vm else None
        # Where the world is on the network too, nobody may meet his own MAC there.
        wishes = Wishes(name=name, sr=rules.sr, new_mac=network.wired)
        plan = plan_for(self._source, session, wishes, network)
        refuse(plan)
        self._enter("verify")
        began = time.monotonic()
        used = prove(self._source, plan)
        self._enter("import")
        vm = bring_in(self._source, destination, plan, used, intent).vm
        session.call("VM.add_to_other_config", vm, REHEARSING, destination.sign)
        dress(destination, plan, vm)
        self._import_seconds = time.monotonic() - began
        self._enter("start")
        began = time.monotonic()
        start(session, vm, text(session.record("VM", vm), "power_state"))
        self._enter("boot")
        await_life(session, vm, rules.sign, rules.within)
        self._boot_seconds = time.monotonic() - began

    def _enter(self, step: str) -> None:
        self._step = step
        self._say(step)

    def _result(self, failure: Failure | None) -> Rehearsed:
        backup = self._source.backup
        vm = backup.manifest.vm
        assert vm is not None  # noqa: S101 - `run` has looked
        return Rehearsed(
            generation=backup.manifest.generation,
            backup=backup.folder,
            vm=vm.uuid,
            name=vm.name,
            moment=datetime.now(UTC).replace(microsecond=0),
            good=failure is None,
            waited_for=self._rules.sign.text,
            import_seconds=round(self._import_seconds, 1),
            boot_seconds=round(self._boot_seconds, 1),
            step=failure.step if failure else "",
            code=failure.code if failure else "",
            message=failure.message if failure else "",
            written_by=f"vmbackup {__version__}",
        )
