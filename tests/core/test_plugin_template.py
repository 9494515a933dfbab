"""What `vmbackup plugins new` writes; that it works is shown in tests/integration."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vmbackup.cli import app
from vmbackup.errors import ConfigError, PluginError
from vmbackup.plugin_template import NewPlugin, kinds, render, write
from vmbackup.version import __version__

ROOT = Path(__file__).parents[2]
# A name whose class would, without the kind, be one that the module imports.
UNLUCKY = ("settings", "plugin", "path", "buffer", "class", "report", "a1-2b")


def test_there_are_templates_for_these_kinds() -> None:
    assert kinds() == ["compressor", "method", "mirror", "notifier", "reporter", "target"]


@pytest.mark.parametrize("name", UNLUCKY)
@pytest.mark.parametrize("kind", kinds())
def test_everything_is_filled_in_and_is_python(kind: str, name: str) -> None:
    plugin = NewPlugin(kind, name)
    found = {str(path): text for path, text in render(plugin).items()}
    package = found[f"{plugin.module}/__init__.py"]
    assert set(found) == {
        "pyproject.toml",
        "README.md",
        f"{plugin.module}/__init__.py",
        f"{plugin.module}/py.typed",
        "tests/test_promises.py",
    }
    for path, text in found.items():
        assert not re.search(r"\$\{|\$\$", text)
        if path.endswith(".py"):
            compile(text, path, "exec")
    assert f"class {plugin.class_name}(" in package
    assert not re.search(rf"import .*\b{plugin.class_name}\b", package)
    project = tomllib.loads(found["pyproject.toml"])["project"]
    assert project["name"] == plugin.distribution == f"vmbackup-{name}"
    assert project["dependencies"] == [f"vmbackup>={__version__}"]
    assert project["entry-points"]["vmbackup"] == {name: plugin.module}
    (usage,) = re.findall(r"```toml\n(.*?)```", found["README.md"], re.DOTALL)
    assert name in str(tomllib.loads(usage))


def test_the_target_is_the_example() -> None:
    found = render(NewPlugin("target", "shelf"))
    (text,) = [text for path, text in found.items() if path.name == "__init__.py"]
    assert text.replace("ShelfTarget", "Shelf") == (ROOT / "examples/shelf.py").read_text()


@pytest.mark.parametrize("name", ["", "Nas", "my_nas", "my nas", "-nas", "nas-", "1nas", "../nas", "nas\n", "ñas"])
def test_what_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no name for a plugin"):
        NewPlugin("target", name)


def test_what_is_no_kind() -> None:
    with pytest.raises(ConfigError, match="no kind 'common'"):
        NewPlugin("common", "nas")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made = write(NewPlugin("target", "my-nas"), tmp_path)
    (made / "README.md").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        write(NewPlugin("target", "my-nas"), tmp_path)
    assert (made / "README.md").read_text() == "mine"
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        write(NewPlugin("target", "my-nas"), tmp_path / "absent")


def test_a_module_that_is_there_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is a module vmbackup_targets already"):
        write(NewPlugin("reporter", "targets"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_comes_next(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["plugins", "new", "target", "my-nas", "--dir", str(tmp_path)])
    assert done.exit_code == 0
    assert f"cd {tmp_path}/vmbackup-my-nas" in done.stdout
    assert "pip install -e '.[test]'" in done.stdout


def test_the_command_refuses_the_name_of_one_that_is_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["plugins", "new", "target", "nfs", "--dir", str(tmp_path)])
    assert isinstance(done.exception, PluginError)
    assert "in vmbackup" in done.exception.message
    assert list(tmp_path.iterdir()) == []
