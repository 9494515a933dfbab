import pytest

from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.expressions import compile_expression

ROW = {"name__label": "web", "is_a_snapshot": "true", "power_state": "Halted"}


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ('field "name__label" = "web"', True),
        ('field "name__label"="Web"', False),
        ('"web" = field "name__label"', True),
        ('"a" = "a"', True),
        ("true", True),
        ("false", False),
        (" (true)\n\tand not false ", True),
        ('field "name__label" = "web" and field "power_state" = "Running"', False),
        ('field "name__label" = "db" or field "is_a_snapshot" = "true"', True),
        ("true or true and false", False),  # from the left, both alike
        ("true or (true and false)", True),
        ("not true and false", True),  # `not` takes all that follows
        ("not not true", True),
        ("trueandnotfalse", True),
        ('field "name__label" = "a = b"', False),
    ],
)
def test_an_expression_is_evaluated(expression: str, result: object) -> None:
    assert compile_expression(expression)(ROW) is result


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "Stdlib.Parsing.Parse_error"),
        ("field name", 'Failure("lexing: empty token")'),
        ('field "a"', "Stdlib.Parsing.Parse_error"),
        ('field "a" = ', "Stdlib.Parsing.Parse_error"),
        ('field = "a"', "Stdlib.Parsing.Parse_error"),
        ('"unended', 'Failure("lexing: empty token")'),
        ("true false", "Stdlib.Parsing.Parse_error"),
        ("(true", "Stdlib.Parsing.Parse_error"),
        ("true and", "Stdlib.Parsing.Parse_error"),
        ("true)", "Stdlib.Parsing.Parse_error"),
        ("TRUE", 'Failure("lexing: empty token")'),
    ],
)
def test_what_is_no_expression_is_an_invalid_value(expression: str, reason: str) -> None:
    with pytest.raises(XapiError) as caught:
        compile_expression(expression)
    assert caught.value.description == ["INVALID_VALUE", expression, reason]


def test_a_column_that_is_none_is_an_internal_error() -> None:
    with pytest.raises(XapiError) as caught:
        compile_expression('field "name_label" = "web"')(ROW)
    assert caught.value.code == "INTERNAL_ERROR"
