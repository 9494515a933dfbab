from pathlib import Path
from subprocess import Popen
from typing import Literal

from pydantic import ConfigDict, Field
from pydantic_core import core_schema

from vmbackup import NoSettings, Secret, Settings
from vmbackup.config import Duration
from vmbackup.settings_schema import schema_of, settings_of


class Door(Settings):
    """Where to knock."""

    port: int = Field(default=443, ge=1, le=65535, description="where it listens")
    code: Secret


class Everything(Settings):
    """A key of each kind."""

    where: Path = Field(description="an absolute path")
    how: Literal["fast", "small"] = "fast"
    only: Literal["this"] = "this"
    max_lines: int | None = Field(default=None, ge=1)
    names: tuple[str, ...] = ("a", "b")
    loud: bool = False
    within: Duration = 600.0
    password: Secret | None = None
    door: Door
    labels: dict[str, str] = Field(default_factory=dict)


class Odd(Settings):
    """A type that nobody can describe."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    lock: Popen[bytes] | None = Field(default=None, description="whatever it is")
    count: int


def test_each_key_in_words() -> None:
    found = {one.key: (one.type, one.required, one.default) for one in settings_of(Everything)}
    assert found == {
        "where": ("path", True, None),
        "how": ('"fast" or "small"', False, '"fast"'),
        "only": ('"this"', False, '"this"'),
        "max-lines": ("whole number, at least 1", False, None),
        "names": ("list of text", False, '["a", "b"]'),
        "loud": ("true or false", False, "false"),
        "within": ("text or number, more than 0", False, "600.0"),
        "password": ("secret", False, None),
        "door": ("table", True, None),
        "door.port": ("whole number, at least 1 and at most 65535", False, "443"),
        "door.code": ("secret", True, None),
        "labels": ("table", False, None),
    }
    assert {one.key: one.description for one in settings_of(Everything)}["door.port"] == "where it listens"


def test_no_settings_are_none() -> None:
    assert settings_of(NoSettings) == ()


def test_what_has_no_schema_may_be_anything() -> None:
    assert [(one.key, one.required) for one in settings_of(Odd)] == [("lock", False), ("count", True)]
    assert schema_of(Odd)["additionalProperties"] is False


class Node(Settings):
    """A table that holds tables of its kind."""

    name: str
    next: "Node | None" = None


class Tree(Settings):
    """What holds such a table."""

    root: Node


class Stubborn:
    """Says nothing of itself to anybody."""

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> dict[str, object]:
        raise RuntimeError("not today")


class Closed(Settings):
    """A type that raises whatever it likes."""

    what: Stubborn


def test_a_table_may_hold_itself() -> None:
    assert [(one.key, one.type) for one in settings_of(Node)] == [("name", "text"), ("next", "table")]
    assert [one.key for one in settings_of(Tree)] == ["root", "root.name", "root.next"]
    assert schema_of(Node)["properties"].keys() == {"name", "next"}
    assert schema_of(Node, "#/$defs/mine.{model}")["properties"]["next"]["$ref"] == "#/$defs/mine.Node"


def test_a_type_that_cannot_be_asked_may_be_anything() -> None:
    assert [(one.key, one.type, one.required) for one in settings_of(Closed)] == [("what", "value", True)]


def test_there_is_no_null_in_toml() -> None:
    assert "null" not in str(schema_of(Everything))
    assert "None" not in str(schema_of(Everything))
