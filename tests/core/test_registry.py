import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from vmbackup.config import PluginsSection
from vmbackup.config_file import ConfigProblem
from vmbackup.contracts import Reporter
from vmbackup.errors import ConfigError, PluginError
from vmbackup.plugin_sources import Disabled
from vmbackup.registry import DISABLE, Registry, SectionError

Bring = Callable[..., str]

TEMPLATE = '''
class ReporterSettings(Settings):
    """What it may be told."""
    where: str = "here"
    max_lines: int = 5

class {name}(Reporter[ReporterSettings]):
    """Writes nothing.

    And says more about it here.
    """
    name = "{label}"
    Settings = ReporterSettings
    def write(self, report):
        pass
'''
REGISTER = """
@hookimpl
def vmbackup_register():
    return [{names}]
"""


def reporter(label: str, name: str = "Mine") -> str:
    return TEMPLATE.format(name=name, label=label)


def register(*names: str) -> str:
    return REGISTER.format(names=", ".join(names))


GOOD = reporter("mine") + register("Mine")


@pytest.fixture
def found() -> Callable[[], Registry]:
    """The registry of the strangers alone."""
    ours = {(point.dist.name, point.name) for point in entry_points(group="vmbackup") if point.dist}

    def strangers() -> list[EntryPoint]:
        every = entry_points(group="vmbackup")
        return [point for point in every if point.dist and (point.dist.name, point.name) not in ours]

    return lambda: Registry(strangers())


Found = Callable[[], Registry]


def reasons(registry: Registry) -> dict[str, str]:
    return {failure.distribution: failure.reason for failure in registry.failures}


def names(registry: Registry) -> set[tuple[str, str]]:
    return set(registry.plugins)


def test_a_stranger_s_plugin_is_found_with_where_it_comes_from(bring: Bring, found: Found) -> None:
    bring("acme-reports", GOOD, "2.5")
    registry = found()
    assert registry.failures == []
    registered = registry.plugins["reporter", "mine"]
    assert (registered.distribution, registered.version) == ("acme-reports", "2.5")
    assert registered.summary == "Writes nothing."
    made = registry.reporter("ops", {"type": "mine", "max-lines": 7})
    assert isinstance(made, Reporter)
    assert made.label == "ops"
    assert made.settings.model_dump() == {"where": "here", "max_lines": 7}


def test_it_is_found_beside_those_that_come_with_vmbackup(bring: Bring) -> None:
    bring("acme-reports", GOOD)
    registry = Registry.installed()
    assert {("reporter", "mine"), ("method", "vm-export"), ("method", "vdi-export")} <= names(registry)
    assert "acme-reports" not in reasons(registry)


BROKEN = [
    ("import_error", "import nonexistent_module_of_nobody\n" + GOOD, "nonexistent_module_of_nobody"),
    ("syntax_error", "def (\n", "SyntaxError"),
    ("exits", "import sys\nsys.exit('bye')\n", "SystemExit: bye"),
    ("exits_later", "import sys\n@hookimpl\ndef vmbackup_register():\n    sys.exit(3)\n", "SystemExit: 3"),
    ("interrupts", "raise KeyboardInterrupt\n", "KeyboardInterrupt"),
    (
        "unspeakable",
        "class Mute(Exception):\n    def __str__(self):\n        raise self\nraise Mute\n",
        "cannot be told",
    ),
    ("misspelt", "@hookimpl\ndef vmbackup_regster():\n    return []\n", "vmbackup_regster"),
    ("unmarked", "def vmbackup_register():\n    return []\n", "@hookimpl"),
    ("wrong_argument", GOOD + "@hookimpl\ndef vmbackup_run_started(run, colour):\n    pass\n", "colour"),
    ("returns_none", "@hookimpl\ndef vmbackup_register():\n    pass\n", "TypeError"),
    ("raises", "@hookimpl\ndef vmbackup_register():\n    raise ValueError('not today')\n", "not today"),
    ("abstract", "class Half(Reporter):\n    name = 'half'\n" + register("Half"), "'half' lacks write"),
    ("nameless", "class Half(Reporter):\n    def write(self, report): pass\n" + register("Half"), "name"),
    ("no_class", register("'text'"), "'text'"),
    ("foreign_class", "class Duck:\n    kind = 'target'\n    name = 'duck'\n" + register("Duck"), "Duck"),
    ("an_object", reporter("mine") + register("Mine('x', None)"), "no plugin"),
]


@pytest.mark.parametrize(("distribution", "code", "reason"), BROKEN, ids=[case[0] for case in BROKEN])
def test_a_plugin_that_does_not_load_is_kept_with_its_reason_and_costs_the_others_nothing(
    bring: Bring, found: Found, distribution: str, code: str, reason: str
) -> None:
    bring("aaa-good", reporter("first") + register("Mine"))
    bring(distribution, code)
    bring("zzz-good", reporter("last") + register("Mine"))
    registry = found()
    assert {("reporter", "first"), ("reporter", "last")} <= names(registry)
    assert set(reasons(registry)) == {distribution}
    assert reason in reasons(registry)[distribution]
    assert registry.failures[0].entry_point == "main"
    with pytest.raises(SectionError) as caught:
        registry.reporter("ops", {"type": "elsewhere"})
    assert f"{distribution} did not load" in caught.value.problems[0].message


def test_what_is_changed_by_loading_is_put_back_and_told(
    bring: Bring, found: Found, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bring("acme", "import os\nos.chdir('/')\nprint('hello')\n" + reporter("mine") + register("Mine"))
    registry = found()
    assert names(registry) == {("reporter", "mine")}
    assert Path.cwd() == tmp_path
    assert capsys.readouterr().out == ""
    assert {(warning.step, warning.message) for warning in registry.warnings} == {
        ("import of acme:main", "it has changed the working directory"),
        ("import of acme:main", "it has printed to standard output: 'hello\\n'"),
    }


def test_all_that_fail_are_kept(bring: Bring, found: Found) -> None:
    for distribution, code, _ in BROKEN:
        bring(distribution, code)
    assert set(reasons(found())) == {distribution for distribution, _, _ in BROKEN}


@pytest.mark.parametrize("order", [("Mine", "Half"), ("Half", "Mine")])
def test_one_class_that_fails_costs_its_neighbours_nothing(bring: Bring, found: Found, order: tuple[str, str]) -> None:
    half = "class Half(Reporter):\n    name = 'half'\n"
    bring("both", reporter("mine") + half + register(*order))
    registry = found()
    assert names(registry) == {("reporter", "mine")}
    assert "half" in reasons(registry)["both"]


def test_of_two_with_one_name_the_first_is_taken_and_the_clash_told(bring: Bring, found: Found) -> None:
    bring("bbb", GOOD)
    bring("aaa", GOOD)
    registry = found()
    assert registry.plugins["reporter", "mine"].distribution == "aaa"
    assert "comes from aaa and from bbb" in reasons(registry)["bbb"]


def test_a_stranger_never_takes_the_name_of_one_of_ours(bring: Bring) -> None:
    method = "class Other(Method):\n    name = 'vm-export'\n    def disks(self, vm): pass\n"
    bring("aaa", method + "    def begin(self, scratch, vm, packing): pass\n" + register("Other"))
    registry = Registry.installed()
    assert registry.plugins["method", "vm-export"].distribution == "vmbackup"
    assert "comes from vmbackup and from aaa" in reasons(registry)["aaa"]


def test_one_name_may_be_of_two_kinds(bring: Bring, found: Found) -> None:
    notifier = "class Loud(Notifier):\n    name = 'mine'\n    def notify(self, report): pass\n"
    bring("both", reporter("mine") + notifier + register("Mine", "Loud"))
    registry = found()
    assert names(registry) == {("reporter", "mine"), ("notifier", "mine")}
    assert registry.notifier("ops", {"type": "mine"}).kind == "notifier"


def test_moments_of_what_did_not_load_are_not_called(bring: Bring, found: Found) -> None:
    bring("half", "@hookimpl\ndef vmbackup_run_finished(report):\n    pass\n@hookimpl\ndef vmbackup_regster(): pass\n")
    assert found().hooks.hook.vmbackup_run_finished.get_hookimpls() == []


def test_a_plugin_may_bring_moments_alone(bring: Bring, found: Found) -> None:
    bring("listener", "@hookimpl\ndef vmbackup_run_finished(report):\n    pass\n")
    registry = found()
    assert registry.failures == []
    assert len(registry.hooks.hook.vmbackup_run_finished.get_hookimpls()) == 1


def problems(call: Callable[[], object]) -> list[ConfigProblem]:
    with pytest.raises(SectionError) as caught:
        call()
    assert isinstance(caught.value, PluginError)
    assert isinstance(caught.value, ConfigError)
    return caught.value.problems


def test_a_section_that_a_plugin_does_not_take(bring: Bring, found: Found) -> None:
    bring("acme-reports", GOOD)
    registry = found()
    told = problems(lambda: registry.reporter("ops", {"type": "mine", "max-line": 7, "where": 5}))
    assert [(problem.location, problem.message) for problem in told] == [
        (("reporters", "ops", "where"), "Input should be a valid string"),
        (("reporters", "ops", "max-line"), "there is no such key; did you mean 'max-lines'?"),
    ]


def test_a_section_that_does_not_say_what_it_is(bring: Bring, found: Found) -> None:
    bring("acme-reports", GOOD)
    registry = found()
    (problem,) = problems(lambda: registry.reporter("ops", {"where": "x"}))
    assert problem.location == ("reporters", "ops", "type")
    assert "mine" in problem.message


@pytest.mark.parametrize(("said", "told"), [("mien", "did you mean 'mine'?"), ("xyzzy", "there is mine")])
def test_a_section_of_a_plugin_that_is_not_there(bring: Bring, found: Found, said: str, told: str) -> None:
    bring("acme-reports", GOOD)
    registry = found()
    (problem,) = problems(lambda: registry.reporter("ops", {"type": said}))
    assert problem.location == ("reporters", "ops", "type")
    assert told in problem.message


def test_a_method_is_called_by_its_label_and_a_compressor_by_its_name() -> None:
    registry = Registry.installed()
    assert registry.method("vdi-export", {"format": "vhd"}).name == "vdi-export"
    assert registry.method("os-disk", {"type": "vdi-export"}).label == "os-disk"
    (problem,) = problems(lambda: registry.compressor("zst", {}, ("jobs", "a", "compress")))
    assert problem.location == ("jobs", "a", "compress", "type")


def test_two_registries_share_nothing(bring: Bring, found: Found) -> None:
    first = found()
    bring("acme-reports", GOOD)
    assert names(first) == set()
    assert names(found()) == {("reporter", "mine")}


TWO_KINDS = "class Loud(Notifier):\n    name = 'mine'\n    def notify(self, report): pass\n"
MOMENT = "@hookimpl\ndef vmbackup_run_finished(report):\n    pass\n"


@pytest.fixture
def without() -> Callable[..., Registry]:
    return lambda *words: Registry.installed(PluginsSection(disabled=words))


Without = Callable[..., Registry]


@pytest.mark.parametrize(
    ("word", "left"),
    [("mine", []), ("reporter:mine", ["notifier"]), ("notifier:mine", ["reporter"]), ("target:mine", None)],
)
def test_a_plugin_that_is_not_wanted(bring: Bring, without: Without, word: str, left: list[str] | None) -> None:
    bring("both", reporter("mine") + TWO_KINDS + register("Mine", "Loud"))
    registry = without(word)
    kinds = sorted(kind for kind, name in names(registry) if name == "mine")
    assert kinds == (["notifier", "reporter"] if left is None else left)
    assert registry.unwanted.unknown == ((word,) if left is None else ())
    gone = {(one.kind, one.name, one.distribution) for one in registry.unwanted.found}
    assert gone == {(kind, "mine", "both") for kind in {"notifier", "reporter"} - set(kinds)}


@pytest.mark.parametrize("word", ["acme-reports", "Acme_Reports"])
def test_a_distribution_that_is_not_wanted_is_not_even_imported(bring: Bring, without: Without, word: str) -> None:
    module = bring("acme.reports", GOOD + MOMENT + "raise KeyError\n")
    registry = without(word)
    assert registry.failures == []
    assert registry.hooks.hook.vmbackup_run_finished.get_hookimpls() == []
    assert registry.unwanted.found == [Disabled(word, "acme.reports")]
    assert module not in sys.modules


def test_a_section_of_what_is_not_wanted_says_so(bring: Bring, without: Without) -> None:
    bring("acme-reports", GOOD)
    (problem,) = problems(lambda: without("mine").reporter("ops", {"type": "mine"}))
    assert problem.message == f"the reporter 'mine' is disabled, by plugins.disabled or {DISABLE}"
    (problem,) = problems(lambda: without("acme-reports").reporter("ops", {"type": "mine"}))
    assert "acme-reports is disabled" in problem.message


def test_the_name_of_what_is_not_wanted_is_free(bring: Bring, without: Without) -> None:
    bring("aaa", GOOD)
    bring("bbb", GOOD)
    registry = without("aaa")
    assert registry.plugins["reporter", "mine"].distribution == "bbb"
    assert registry.failures == []


def test_the_environment_leaves_out_as_well(monkeypatch: pytest.MonkeyPatch, without: Without) -> None:
    monkeypatch.setenv(DISABLE, " target:nfs ,,smb")
    left = names(without("email"))
    assert ("target", "local") in left
    assert not left & {("target", "nfs"), ("target", "smb"), ("notifier", "email")}
