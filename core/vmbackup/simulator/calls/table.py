"""What a call is: its name, the types of its parameters and result, and the function behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import Type, parse_type

Function = Callable[..., object]  # the parameters differ from call to call; `Param` says which


@dataclass(frozen=True, slots=True)
class Context:
    """Who calls: the session's ref (empty before a login) and the task's (a `DummyRef` when the caller waits)."""

    pool: Pool
    session: str
    task: str


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: its type, and its default when `optional`."""

    type: Type
    optional: bool = False
    default: object = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call; `session`: its first parameter on the wire is the session, checked before `run` is called."""

    name: str
    params: tuple[Param, ...]
    result: Type
    run: Function
    asynchronous: bool = False
    session: bool = True

    @property
    def mandatory(self) -> int:
        """How many parameters without a default it has; the session is not counted."""
        return sum(not param.optional for param in self.params)


@dataclass(frozen=True, slots=True)
class Table:
    """Calls by name. `call` is the decorator that adds one."""

    calls: dict[str, Call] = field(default_factory=dict)

    def call(
        self, name: str, *params: str | Param, result: str = "void", asynchronous: bool = False, session: bool = True
    ) -> Callable[[Function], Function]:
        """Add the decorated function as a call; parameters are types in the data model's notation."""
        declared = tuple(Param(parse_type(param)) if isinstance(param, str) else param for param in params)

        def add(function: Function) -> Function:
            self.calls[name] = Call(name, declared, parse_type(result), function, asynchronous, session)
            return function

        return add


def optional(kind: str, default: object) -> Param:
    """Declare a parameter that stands at the end and may be left out."""
    return Param(parse_type(kind), optional=True, default=default)
