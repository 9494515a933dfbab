r"""What Python 2 and grep read otherwise than Python does today."""

import pytest

from vmbackup.nau.regex import of_grep, of_python_2


@pytest.mark.parametrize(
    ("old", "fits", "not_"),
    [
        ("web", ["web", "web1"], ["a-web", "Web"]),
        ("^web$", ["web"], ["web1"]),
        (r"\w+$", ["web_1"], ["bü", "a b"]),
        (r"\d", ["1"], ["\u0661"]),
        ("(?i)k", ["K"], ["\u212a"]),
        ("a(?#why)b", ["ab"], ["a"]),
        (r"\Pfoo", ["Pfoo"], ["foo"]),
        (r"[\P]x", ["Px"], ["\\x"]),
        (r"print[\d{1,}]$", ["print3", "print{"], ["print12"]),
        ("[[a]x", ["[x", "ax"], ["]x"]),
        ("[a&&b]", ["&", "a", "b"], ["c"]),
        ("[]a]", ["]"], ["b"]),
        ("a}+", ["a}}"], ["a"]),
        ("a+?b", ["aab"], ["b"]),
        (r"C\+\+", ["C++"], ["CC"]),
        ("[*+]+", ["+*"], ["a"]),
        ("é", ["été"[:1] + "x"], ["e"]),
    ],
)
def test_it_fits_where_python_2_s_did(old: str, fits: list[str], not_: list[str]) -> None:
    found = of_python_2(old)
    assert [name for name in fits if not found.fits(name)] == []
    assert [name for name in not_ if found.fits(name)] == []


@pytest.mark.parametrize(
    ("old", "why"),
    [
        ("C++", "two counts after each other"),
        ("a*+", "two counts after each other"),
        ("a{2}+", "two counts after each other"),
        ("(?>a)", "not read here"),
        ("(?x)a", "of such letters only i, m and s are"),
        ("a(?i)b", "global flags not at the start"),
        ("*", "nothing to repeat"),
        ("(", "unterminated"),
        ("a\\", "bad escape"),
        (r"a\1", "invalid group reference"),
        ("a{99999999999}", "repetition number is too large"),
        ("[a--b]", "set difference"),
    ],
)
def test_what_was_an_error_or_is_no_longer_clear_is_refused(old: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        of_python_2(old)


@pytest.mark.parametrize(
    ("old", "fits", "not_"),
    [
        ("PROD", ["PROD-web"], ["prod"]),
        ("PROD.", ["PROD-web"], ["PROD"]),
        ("a*b", ["b", "aab"], ["c"]),
        ("*b", ["*b"], ["b"]),
        ("a+(b)", ["a+(b)c"], ["aab"]),
        ("[ab]c", ["ac"], ["c"]),
        (r"a\.b", ["a.b"], ["a-b"]),
        ("a^b", ["a^b"], ["ab"]),
    ],
)
def test_the_beginning_of_a_wildcard_of_3_0_is_grep_s(old: str, fits: list[str], not_: list[str]) -> None:
    found = of_grep(old)
    assert [name for name in fits if not found.fits(name)] == []
    assert [name for name in not_ if found.fits(name)] == []


def test_what_grep_alone_understands_is_refused() -> None:
    with pytest.raises(ValueError, match="not read here"):
        of_grep(r"a\(b")


@pytest.mark.parametrize(
    ("old", "opening"),
    [
        ("web.lan", "web"),
        ("weba?x", "web"),
        ("a|b", ""),
        ("(?i)web", ""),
        ("[a]b", ""),
        (r"a\.b\d", "a.b"),
        ("ab", "ab"),
    ],
)
def test_what_every_name_begins_with_is_no_more_than_is_sure(old: str, opening: str) -> None:
    assert of_python_2(old).opening == opening
