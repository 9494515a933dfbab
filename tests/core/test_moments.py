"""What stands for facts in the words of a command."""

import pytest

from vmbackup.moments import filled, placeholders


def test_facts_take_their_places_and_other_braces_stay() -> None:
    words = ["x", "{vm}", "a {vm}/{size}", '{"text": "{vm}", "more": {"n": {}}}', "{{vm}}", "--vm={vm}"]
    assert placeholders(words) == {"vm", "size"}
    assert filled(words, {"vm": "web 01", "size": 7}) == [
        "x",
        "web 01",
        "a web 01/7",
        '{"text": "web 01", "more": {"n": {}}}',
        "{vm}",
        "--vm=web 01",
    ]


def test_a_fact_is_not_read_for_placeholders() -> None:
    assert filled(["{vm}"], {"vm": "{uuid}"}) == ["{uuid}"]


def test_a_fact_that_is_not_known_here_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no \{path\} here"):
        filled(["rsync", "{path}/"], {"path": None})


def test_a_name_cannot_become_an_option() -> None:
    with pytest.raises(ValueError, match="is an option"):
        filled(["ssh", "{vm}"], {"vm": "-oProxyCommand=evil"})
    assert filled(["x", "-{vm}"], {"vm": "v"}) == ["x", "-v"]
