"""Finds the plugin classes that are installed, keeps what did not load and why, and makes plugins from their sections.

pluggy's own loader neither guards a load nor reports a clash of names, so both are done here. An object of this class
is made for each run: there is no global state to undo in a test.
"""

import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TypeVar, cast

import pluggy
from pydantic import ValidationError

from vmbackup import hookspecs
from vmbackup.config import PluginsSection
from vmbackup.config_file import ConfigProblem, problems_of
from vmbackup.containment import Contained
from vmbackup.contracts import Compressor, Method, Mirror, Notifier, Plugin, Reporter, Target
from vmbackup.errors import PluginError, VmbackupError
from vmbackup.plugin_files import files_in
from vmbackup.plugin_sources import Source, Unwanted
from vmbackup.results import Failure
from vmbackup.settings import Settings
from vmbackup.trace import traced

GROUP = "vmbackup"
REGISTER = hookspecs.vmbackup_register.__name__
DISABLE = "VMBACKUP_DISABLE_PLUGINS"
KINDS: tuple[type[Plugin[Settings]], ...] = (Method, Target, Compressor, Mirror, Reporter, Notifier)
# An import that takes longer is one that hangs.
LOAD_SECONDS = 30.0
T = TypeVar("T")
P = TypeVar(
    "P",
    Target[Settings],
    Method[Settings],
    Compressor[Settings],
    Mirror[Settings],
    Reporter[Settings],
    Notifier[Settings],
)


@dataclass(frozen=True, slots=True)
class Registered:
    """A plugin class, and the distribution that brought it."""

    plugin: type[Plugin[Settings]]
    distribution: str
    version: str

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.plugin) or "").partition("\n")[0]


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A plugin that did not load: which entry point of which distribution, and why."""

    entry_point: str
    distribution: str
    reason: str


class Registry:
    """The plugins of this environment."""

    def __init__(self, found: Iterable[EntryPoint], unwanted: Iterable[str] = (), folders: Iterable[Path] = ()) -> None:
        """Load every entry point in `found` and file in `folders` that is not `unwanted`.

        One that fails costs only the jobs that need it.
        """
        self.hooks = pluggy.PluginManager(GROUP)
        self.hooks.add_hookspecs(hookspecs)
        self.failures: list[LoadFailure] = []
        self.warnings: list[Failure] = []
        self._contained = Contained(LOAD_SECONDS)
        self.plugins: dict[tuple[str, str], Registered] = {}
        self.unwanted = Unwanted(unwanted)
        for source in (*sorted(map(Source.of, found), key=_our_own_first), *files_in(folders)):
            if self.unwanted.source(source):
                continue
            try:
                self._load(source)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's import may raise anything, even exit
                self._fail(source, error)
        self._contained.close()

    @classmethod
    def installed(cls, plugins: PluginsSection | None = None) -> "Registry":
        """Return the registry of what is installed, and of what `plugins` adds, but not of what is disabled."""
        plugins = plugins or PluginsSection()
        words = (word.strip() for word in os.environ.get(DISABLE, "").split(","))
        return cls(entry_points(group=GROUP), (*plugins.disabled, *filter(None, words)), plugins.paths)

    @property
    def listeners(self) -> list[tuple[str, tuple[str, ...]]]:
        """Who hears of moments, as `distribution:entry point`, and of which."""
        found = []
        for name, module in self.hooks.list_name_plugin():
            heard = sorted(hook.name for hook in self.hooks.get_hookcallers(module) or () if hook.name != REGISTER)
            found += [(name, tuple(heard))] if heard else []
        return found

    def target(self, label: str, section: Mapping[str, object]) -> Target[Settings]:
        """Make the target of `[targets.LABEL]`."""
        return self._make(Target, label, section, ("targets", label))

    def method(self, label: str, section: Mapping[str, object]) -> Method[Settings]:
        """Make the method of `[methods.LABEL]`, whose type is its label where it says none."""
        return self._make(Method, label, {"type": label, **section}, ("methods", label))

    def compressor(self, name: str, section: Mapping[str, object], at: tuple[str, ...] = ()) -> Compressor[Settings]:
        """Make a compressor from its name and the settings that stand at `at`."""
        return self._make(Compressor, name, {**section, "type": name}, at)

    def mirror(self, label: str, section: Mapping[str, object]) -> Mirror[Settings]:
        """Make the mirror of `[mirrors.LABEL]`."""
        return self._make(Mirror, label, section, ("mirrors", label))

    def notifier(self, label: str, section: Mapping[str, object]) -> Notifier[Settings]:
        """Make the notifier of `[notifiers.LABEL]`."""
        return self._make(Notifier, label, section, ("notifiers", label))

    def reporter(self, label: str, section: Mapping[str, object]) -> Reporter[Settings]:
        """Make the reporter of `[reporters.LABEL]`."""
        return self._make(Reporter, label, section, ("reporters", label))

    def _make(self, kind: type[P], label: str, section: Mapping[str, object], at: tuple[str, ...]) -> P:
        name = section.get("type")
        if not isinstance(name, str):
            raise SectionError(
                [ConfigProblem((*at, "type"), f"say which {kind.kind} this is: {self._names(kind.kind)}")]
            )
        registered = self.plugins.get((kind.kind, name))
        if registered is None or not issubclass(registered.plugin, kind):
            raise SectionError([ConfigProblem((*at, "type"), self._missing(kind.kind, name))])
        own = {key: value for key, value in section.items() if key != "type"}
        plugin, model = registered.plugin, registered.plugin.Settings
        ended = self._contained.call(f"{kind.kind} {label}", lambda: plugin(label, model.model_validate(own)))
        self._contained.close()
        if isinstance(ended.error, ValidationError):
            raise SectionError(problems_of(ended.error, model, at))
        if ended.failure:
            raise SectionError([ConfigProblem(at, f"{registered.distribution}: {ended.failure.message}")])
        self.warnings += ended.changes
        return cast(P, ended.value)

    def _missing(self, kind: str, name: str) -> str:
        if any((one.kind, one.name) == (kind, name) for one in self.unwanted.found):
            return f"the {kind} {name!r} is disabled, by plugins.disabled or {DISABLE}"
        close = difflib.get_close_matches(name, self._list(kind), n=1)
        whole = [one.distribution for one in self.unwanted.found if not one.kind]
        disabled = "".join(f"\n  {distribution} is disabled" for distribution in dict.fromkeys(whole))
        failed = "".join(f"\n  {failure.distribution} did not load: {failure.reason}" for failure in self.failures)
        hint = f"did you mean {close[0]!r}?" if close else f"there is {self._names(kind)}"
        return f"no {kind} is called {name!r}; {hint}{disabled}{failed}"

    def _names(self, kind: str) -> str:
        return ", ".join(self._list(kind)) or "none"

    def _list(self, kind: str) -> list[str]:
        return sorted(name for registered_kind, name in self.plugins if registered_kind == kind)

    def _load(self, source: Source) -> None:
        registered_as = f"{source.distribution}:{source.name}"
        module = self._call(f"import of {registered_as}", source.load)
        try:
            self.hooks.register(module, name=registered_as)
            self.hooks.check_pending()
            self._refuse_wrappers(module)
            who = f"vmbackup_register of {registered_as}"
            brought = self._call(who, partial(self._registered_by, module, who))
        except BaseException:
            if self.hooks.has_plugin(registered_as):
                self.hooks.unregister(name=registered_as)
            raise
        for plugin in brought:
            try:
                self._add(plugin, source)
            except PluginError as error:
                self._fail(source, error)

    def _call(self, who: str, call: Callable[[], T]) -> T:
        """Call a stranger's code, contained. Raises Misbehaved with what is wrong with it."""
        ended = self._contained.call(who, call)
        self.warnings += ended.changes
        if ended.failure:
            raise Misbehaved(ended.failure, ended.error)
        return cast(T, ended.value)

    def _refuse_wrappers(self, module: object) -> None:
        for caller in self.hooks.get_hookcallers(module) or ():
            for implementation in caller.get_hookimpls():
                if implementation.plugin is module and (implementation.wrapper or implementation.hookwrapper):
                    raise PluginError(f"{caller.name} is a wrapper; moments are told, they cannot be wrapped")

    def _fail(self, source: Source, error: BaseException) -> None:
        reason = str(error) if isinstance(error, Misbehaved) else f"{type(error).__name__}: {error}"
        self.failures.append(LoadFailure(source.name, source.distribution, reason))

    def _registered_by(self, module: object, who: str) -> list[object]:
        if not self.hooks.get_hookcallers(module):
            raise PluginError("it brings no hook; is a @hookimpl missing?")
        with traced(who):
            return [
                plugin
                for implementation in self.hooks.hook.vmbackup_register.get_hookimpls()
                if implementation.plugin is module
                for plugin in cast(Iterable[object], implementation.function())
            ]

    def _add(self, plugin: object, source: Source) -> None:
        name = getattr(plugin, "name", None)
        if not isinstance(plugin, type) or not issubclass(plugin, KINDS) or not isinstance(name, str):
            raise PluginError(f"{plugin!r} is no plugin: it needs to be a class of one of the kinds, with a name")
        kind, distribution = plugin.kind, source.distribution
        if self.unwanted.plugin(kind, name, source):
            return
        if missing := sorted(getattr(plugin, "__abstractmethods__", ())):
            raise PluginError(f"the {kind} {name!r} lacks {', '.join(missing)}")
        if other := self.plugins.get((kind, name)):
            raise PluginError(f"a {kind} called {name!r} comes from {other.distribution} and from {distribution}")
        self.plugins[kind, name] = Registered(plugin, distribution, source.version)


class Misbehaved(PluginError):
    """A stranger's code raised something, or never ended, while it was loaded."""

    def __init__(self, failure: Failure, error: BaseException | None) -> None:
        """`error` is what it has raised; one of ours is told with its kind, as the failure of any other is."""
        if isinstance(error, VmbackupError):
            super().__init__(f"{failure.code}: {failure.message}", advice=failure.advice)
        else:
            super().__init__(failure.message)


class SectionError(PluginError):
    """A section of the configuration that a plugin does not take; `problems` say where and why."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        """`problems` have their places relative to the whole file."""
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


def _our_own_first(source: Source) -> tuple[bool, str, str]:
    # Of two plugins with one name the first is taken: installing a package must not change what a configuration means.
    return (source.distribution != GROUP, source.distribution, source.name)
