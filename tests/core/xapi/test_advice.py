"""Every code of XAPI that we have a word for, with as many parameters as it likes."""

import pytest

from vmbackup.errors import LoginRefused, PoolError
from vmbackup.xapi.advice import ADVICE, pool_error


@pytest.mark.parametrize("count", range(6))
@pytest.mark.parametrize("code", ADVICE)
def test_every_code_with_any_number_of_parameters(code: str, count: int) -> None:
    parameters = [f"p{number}" for number in range(count)]
    error = pool_error("VM.snapshot", [code, *parameters])
    assert isinstance(error, PoolError)
    assert (error.code, error.parameters) == (code, tuple(parameters))
    assert error.message.startswith(f"VM.snapshot: {code}")
    assert all(parameter in error.message for parameter in parameters)
    assert error.advice
    assert "{" not in error.advice
    for number in range(4):
        wanted = f"{{{number}}}" in ADVICE[code]
        assert (f"p{number}" in error.advice) == (wanted and number < count)


def test_braces_in_parameters_are_only_text() -> None:
    error = pool_error("x", ["OTHER_OPERATION_IN_PROGRESS", "VM", "OpaqueRef:a", "{export,snapshot}", "{0}{9}{x}"])
    assert "{export,snapshot}" in str(error)


def test_empty_parameters_are_not_told() -> None:
    error = pool_error("VDI.snapshot", ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""])
    assert error.message == "VDI.snapshot: SR_BACKEND_FAILURE_44 (There is insufficient space)"


def test_a_code_that_nobody_has_a_word_for_leads_to_the_pools_log() -> None:
    error = pool_error("VM.snapshot", ["SR_BACKEND_FAILURE_4711"])
    assert error.message == "VM.snapshot: SR_BACKEND_FAILURE_4711"
    assert "xensource.log" in error.advice


def test_an_error_without_a_code() -> None:
    assert pool_error("VM.snapshot", []).code == "INTERNAL_ERROR"


@pytest.mark.parametrize("code", ["SESSION_AUTHENTICATION_FAILED", "SESSION_AUTHORIZATION_FAILED"])
def test_a_login_that_is_refused(code: str) -> None:
    error = pool_error("login", [code, "backup", "Authentication failure"])
    assert isinstance(error, LoginRefused)
    assert "'backup'" in error.message
    assert isinstance(pool_error("login", [code]), LoginRefused)
