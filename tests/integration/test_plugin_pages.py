"""The code on the pages for authors of plugins runs as it stands there, and the pages name everything there is."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pluggy
import pytest
from tests.integration.world import World, job

import vmbackup
from vmbackup import hookspecs
from vmbackup.plugin_template import kinds
from vmbackup.registry import KINDS

PAGES = Path(__file__).parents[2] / "docs" / "plugins"


def blocks(page: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


def rows(page: str) -> dict[str, str]:
    """The first column of every table, and what stands beside it."""
    found = re.findall(r"^\| `([^`]+)` \| (.+) \|$", (PAGES / page).read_text(), re.MULTILINE)
    assert len(dict(found)) == len(found), "something stands there twice"
    return dict(found)


def told_by_pytest(folder: Path, *only: str, **files: str) -> str:
    """Run pytest over files in a folder of their own, and return what it says."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=prepend", *only, "."]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o755)
    return folder


def test_the_eight_lines_note_every_backup(world: World, plugins: Path, tmp_path: Path) -> None:
    code = blocks("README.md")[0]
    assert len([line for line in code.splitlines() if line]) == 8
    (plugins / "notes.py").write_text(code.replace("/var/log", str(tmp_path)))
    (section,) = [block for block in blocks("README.md", "toml") if "paths" in block]
    world.configure(job("web*") + section.replace("/etc/vmbackup/plugins", str(plugins)))
    assert "hears vmbackup_backup_stored" in world.cli("plugins", "--config", str(world.config)).stdout
    assert world.cli("run", "test").returncode == 0
    (backup,) = world.backups()
    assert (tmp_path / "backups.txt").read_text() == f"{backup.address!a}\n"


def test_the_same_with_settings(world: World, plugins: Path, tmp_path: Path) -> None:
    (plugins / "notes.py").write_text(blocks("README.md")[1])
    paths, section, reports, _ = blocks("README.md", "toml")
    text = (paths + section).replace("/etc/vmbackup/plugins", str(plugins)).replace("/var/log", str(tmp_path))
    world.configure(job("web*", more=reports.partition("\n")[2]) + text)
    shown = world.cli("plugins", "show", "notes")
    assert "a file, which grows by a line a run" in shown.stdout
    done = world.cli("run", "test")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "runs.txt").read_text() == "test: 1 good, 0 failed\n"


def test_the_same_with_tests(tmp_path: Path) -> None:
    _, notes, promises, from_end_to_end = blocks("README.md")
    told = told_by_pytest(tmp_path, notes=notes, test_promises=promises, test_run=from_end_to_end)
    assert re.search(r"^7 passed, 1 skipped", told, re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "only"),
    [
        ("reporters-and-notifiers.md", ()),
        ("methods.md", ("-k", "plans or backs_up")),
        ("compressors.md", ("-k", "size or cut or shell")),
    ],
)
def test_the_code_of_a_page_keeps_its_promises(page: str, only: tuple[str, ...], tmp_path: Path) -> None:
    told = told_by_pytest(tmp_path, *only, test_page="".join(blocks(page)))
    assert re.search(r"^[0-9]+ passed", told, re.MULTILINE)
    assert "skipped" not in told


def test_the_listener_of_the_page_of_hooks(world: World, plugins: Path) -> None:
    (code,) = blocks("hooks.md")
    (plugins / "times.py").write_text(code)
    world.configure(f'{job("web*")}\n[plugins]\npaths = ["{plugins}"]\n')
    done = world.cli("run", "test")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^test: 'web 01' took [0-9]+ s$", done.stderr, re.MULTILINE)


def test_every_hook_has_its_row() -> None:
    manager = pluggy.PluginManager("vmbackup")
    manager.add_hookspecs(hookspecs)
    expected = {}
    for name in vars(manager.hook):
        if name.startswith("vmbackup_"):
            hook = getattr(hookspecs, name)
            arguments = ", ".join(inspect.signature(hook).parameters)
            expected[f"{name}({arguments})"] = (inspect.getdoc(hook) or "").splitlines()[0]
    assert rows("hooks.md") == expected


def test_every_name_of_the_face_has_its_row() -> None:
    assert set(rows("face.md")) == set(vmbackup.__all__) - {"__version__"}
    assert "`__version__`" in (PAGES / "face.md").read_text()


def test_every_kind_has_a_page_and_a_template() -> None:
    assert kinds() == sorted(kind.kind for kind in KINDS)
    index = (PAGES / "README.md").read_text()
    for kind in kinds():
        assert f"{kind}s" in index
        assert f"`{kind}`" in index


def test_every_link_leads_somewhere() -> None:
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
