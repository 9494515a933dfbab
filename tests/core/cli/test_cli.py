import subprocess
import sys


def test_only_commands_that_need_a_simulated_pool_import_one() -> None:
    """It is more than a third of what a start takes."""
    code = "import sys, vmbackup.cli; print([name for name in sys.modules if name.startswith('vmbackup.simulator')])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
