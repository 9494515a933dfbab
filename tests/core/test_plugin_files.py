"""Files as plugins: found in their folder, run only where nobody else may write."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.core.test_registry import MOMENT, register, reporter

from vmbackup import Target, conformance
from vmbackup.config import PluginsSection
from vmbackup.conformance import hold
from vmbackup.plugin_files import MODULE
from vmbackup.registry import Registry

HEAD = "from vmbackup import *\n"
GOOD = HEAD + reporter("mine") + register("Mine")
ROOT = Path(__file__).parents[2]
Bring = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "plugins"
    made.mkdir(mode=0o755)
    return made


def found(*folders: Path, disabled: tuple[str, ...] = ()) -> Registry:
    return Registry.installed(PluginsSection(paths=folders, disabled=disabled))


def reason(registry: Registry) -> str:
    (failure,) = registry.failures
    return failure.reason


def test_each_file_is_a_plugin_but_those_that_are_hidden(folder: Path) -> None:
    (folder / "mine.py").write_text(GOOD)
    (folder / "hears-all.py").write_text(HEAD + MOMENT)
    for name in ("_shared.py", ".#mine.py", "notes.txt"):
        (folder / name).write_text("raise KeyError\n")
    registry = found(folder)
    assert registry.failures == []
    registered = registry.plugins["reporter", "mine"]
    assert (registered.distribution, registered.version) == (str(folder / "mine.py"), "")
    assert registry.reporter("ops", {"type": "mine", "max-lines": 7}).label == "ops"
    assert len(registry.hooks.hook.vmbackup_run_finished.get_hookimpls()) == 1
    assert not (folder / "__pycache__").exists()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nothing_of_that_name\n", "ModuleNotFoundError"),
        ("def (\n", "SyntaxError"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("x = 1\n", "is a @hookimpl missing?"),
        ("\0", "null bytes"),
    ],
)
def test_one_that_does_not_load_is_kept_with_its_reason(folder: Path, code: str, told: str) -> None:
    (folder / "mine.py").write_text(GOOD)
    (folder / "broken.py").write_text(code)
    registry = found(folder)
    assert ("reporter", "mine") in registry.plugins
    assert registry.failures[0].distribution == str(folder / "broken.py")
    assert told in reason(registry)
    loaded = {module.__file__ for name, module in sys.modules.items() if name.startswith(MODULE)}
    assert told == "is a @hookimpl missing?" or str(folder / "broken.py") not in loaded


def test_what_is_installed_keeps_its_name(folder: Path, bring: Bring) -> None:
    bring("acme-reports", reporter("mine") + register("Mine"))
    (folder / "mine.py").write_text(GOOD)
    registry = found(folder)
    assert registry.plugins["reporter", "mine"].distribution == "acme-reports"
    assert f"comes from acme-reports and from {folder}/mine.py" in reason(registry)


def test_of_two_files_with_one_name_the_first_is_taken(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "more"
    other.mkdir()
    for place in (other, folder):
        (place / "mine.py").write_text(GOOD)
    registry = found(other, folder)
    assert registry.plugins["reporter", "mine"].distribution == str(other / "mine.py")
    assert str(folder / "mine.py") in reason(registry)


def test_a_file_is_left_out_by_its_plugin_or_its_path(folder: Path) -> None:
    (folder / "mine.py").write_text(GOOD)
    for word in ("mine", "reporter:mine", str(folder / "mine.py")):
        registry = found(folder, disabled=(word,))
        assert ("reporter", "mine") not in registry.plugins
        assert registry.unwanted.unknown == ()
        assert registry.failures == []


RAN = "raise KeyError('this was run')\n"


@pytest.mark.parametrize("unsafe", ["file", "folder", "parent"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_nothing_is_run_where_others_may_write(folder: Path, unsafe: str, mode: int) -> None:
    (folder / "mine.py").write_text(RAN)
    place = {"file": folder / "mine.py", "folder": folder, "parent": folder.parent}[unsafe]
    place.chmod(place.stat().st_mode | mode)
    told = reason(found(folder))
    assert told.startswith(f"PluginError: {place}: others than its owner may write there")
    assert f"chmod go-w {place}" in told
    place.chmod(place.stat().st_mode & ~mode)
    assert "this was run" in reason(found(folder))


@pytest.mark.parametrize("unsafe", ["file", "folder", "parent"])
def test_nothing_is_run_that_belongs_to_another_user(folder: Path, unsafe: str) -> None:
    (folder / "mine.py").write_text(RAN)
    place = {"file": folder / "mine.py", "folder": folder, "parent": folder.parent}[unsafe]
    os.chown(place, 12345, 0)
    assert f"{place} belongs to another user" in reason(found(folder))


def test_others_may_write_to_a_sticky_folder_above(folder: Path) -> None:
    (folder / "mine.py").write_text(GOOD)
    folder.parent.chmod(0o1777)
    assert found(folder).failures == []
    folder.chmod(0o1777)
    assert "others than its owner may write there" in reason(found(folder))


def test_links_and_what_is_no_file_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(RAN)
    (folder / "linked.py").symlink_to(tmp_path / "elsewhere.py")
    assert f"{folder / 'linked.py'} is a link" in reason(found(folder))
    (tmp_path / "link").symlink_to(folder)
    assert f"{tmp_path / 'link'} is a link" in reason(found(tmp_path / "link"))
    (folder / "linked.py").unlink()
    os.mkfifo(folder / "pipe.py")
    assert "neither a file nor a folder" in reason(found(folder))


def test_a_folder_that_is_not_there_is_told(folder: Path) -> None:
    assert "No such file" in reason(found(folder / "absent"))
    (folder / "a").write_text("")
    assert "Not a directory" in reason(found(folder / "a"))


@pytest.mark.parametrize("path", ["plugins", "./plugins", "/etc/../tmp"])
def test_only_absolute_paths_are_taken(path: str) -> None:
    with pytest.raises(ValueError, match="give a"):
        PluginsSection.model_validate({"paths": [path]})


def test_a_target_from_a_file_is_held_against_its_promises(folder: Path, tmp_path: Path) -> None:
    """Another process has to know its class: the one that is killed."""
    (folder / "shelf.py").write_text((ROOT / "examples/shelf.py").read_text())
    registry = found(folder)
    assert registry.failures == []
    with registry.target("mine", {"type": "shelf", "path": str(tmp_path / "shelf.db")}) as target:
        assert isinstance(target, Target)
        hold(target, conformance.finds_what_a_dead_writer_left)


def test_the_command_line_shows_them(folder: Path) -> None:
    (folder / "mine.py").write_text(GOOD)
    config = folder / "vmbackup.toml"
    config.write_text(f'[plugins]\npaths = ["{folder}"]\n')
    config.chmod(0o600)
    command = [str(Path(sys.executable).with_name("vmbackup")), "plugins", "--config", str(config)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "COLUMNS": "300"})
    assert f"mine        {folder}/mine.py" in done.stdout
