"""The filter of `get_all_records_where` (db_filter_lex.mll, db_filter_parse.mly).

`and` and `or` bind alike and to the left; `not` takes all that follows it, up to a closing parenthesis.
"""

import re
from collections.abc import Callable, Mapping

from vmbackup.simulator.errors import XapiError, internal_error

Row = Mapping[str, str]
Predicate = Callable[[Row], bool]
_Value = Callable[[Row], str]
_TOKEN = re.compile(r'[ \t\n]*(=|true|false|\(|\)|field|and|or|not|"[^"]*")')
_END = ""


def compile_expression(expression: str) -> Predicate:
    """Read an expression. Raises XapiError `INVALID_VALUE [expression; reason]`.

    The function that is returned raises XapiError `INTERNAL_ERROR` for a column that the class has not.
    """
    parser = _Parser(expression, _tokens(expression))
    found = parser.expression()
    parser.expect(_END)
    return found


def _tokens(expression: str) -> list[str]:
    found, position = [], 0
    while match := _TOKEN.match(expression, position):
        found.append(match[1])
        position = match.end()
    if expression[position:].strip(" \t\n"):
        raise XapiError("INVALID_VALUE", expression, 'Failure("lexing: empty token")')
    return [*found, _END]


class _Parser:
    def __init__(self, expression: str, tokens: list[str]) -> None:
        self._expression = expression
        self._tokens = tokens

    def _next(self) -> str:
        return self._tokens.pop(0) if self._tokens else _END

    def expect(self, token: str) -> None:
        if self._next() != token:
            raise self._refused()

    def _refused(self) -> XapiError:
        return XapiError("INVALID_VALUE", self._expression, "Stdlib.Parsing.Parse_error")

    def expression(self) -> Predicate:
        left = self._operand()
        while self._tokens and self._tokens[0] in {"and", "or"}:
            left = _joined(left, self._next(), self._operand())
        return left

    def _operand(self) -> Predicate:
        word = self._next()
        match word:
            case "true" | "false":
                return lambda _: word == "true"
            case "not":
                negated = self.expression()
                return lambda row: not negated(row)
            case "(":
                inner = self.expression()
                self.expect(")")
                return inner
        left = self._value(word)
        self.expect("=")
        right = self._value(self._next())
        return lambda row: left(row) == right(row)

    def _value(self, word: str) -> _Value:
        if word.startswith('"'):
            return lambda _: word[1:-1]
        name = self._next() if word == "field" else _END
        if not name.startswith('"'):
            raise self._refused()
        return lambda row: _column(row, name[1:-1])


def _joined(left: Predicate, word: str, right: Predicate) -> Predicate:
    if word == "and":
        return lambda row: left(row) and right(row)
    return lambda row: left(row) or right(row)


def _column(row: Row, name: str) -> str:
    if name not in row:
        raise internal_error(f'Db_exn.DBCache_NotFound("missing field", "{name}", "")')
    return row[name]
