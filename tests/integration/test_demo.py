"""The tour that newcomers take."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.integration.world import command


@pytest.mark.timeout(300)
def test_the_demo_backs_up_verifies_and_restores(tmp_path: Path) -> None:
    folder = tmp_path / "tour"
    done = subprocess.run(
        command("demo", "--json", "--dir", str(folder)), check=False, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ok"] is True
    assert len(result["backups"]) == 5
    assert {backup["good"] for backup in result["backups"]} == {True}
    assert {disk["vm"] for disk in result["restored"]} == {"linux-web-restored", "windows-db-restored"}
    assert all(disk["same"] for disk in result["restored"])
    again = subprocess.run(command("demo", "--dir", str(folder)), check=False, capture_output=True, text=True)
    assert again.returncode == 2
    assert "not empty" in again.stderr
