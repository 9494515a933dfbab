import pytest
from tests.core.a_run import a_run

from vmbackup import Report


@pytest.fixture
def report() -> Report:
    return a_run()
