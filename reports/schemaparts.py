"""What a JSON Schema is put together from."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def record(
    properties: Schema, description: str | None = None, optional: tuple[str, ...] = ()
) -> Schema:
    """An object with these properties, all required but the ``optional`` ones."""
    built: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return built if description is None else {"description": description, **built}


def array(items: Schema, description: str | None = None) -> Schema:
    built: Schema = {"type": "array", "items": items}
    return built if description is None else {"description": description, **built}


def described(kind: Schema, description: str | None) -> Schema:
    return kind if description is None else {"description": description, **kind}


def text(description: str | None = None) -> Schema:
    return described({"type": "string"}, description)


def text_or_null(description: str | None = None) -> Schema:
    return described({"type": ["string", "null"]}, description)


def count(description: str | None = None, least: int = 0) -> Schema:
    return described({"type": "integer", "minimum": least}, description)


def count_or_null(description: str | None = None, least: int = 0) -> Schema:
    return described({"type": ["integer", "null"], "minimum": least}, description)


def yes_no(description: str | None = None) -> Schema:
    return described({"type": "boolean"}, description)


def yes_no_null(description: str | None = None) -> Schema:
    return described({"type": ["boolean", "null"]}, description)


# RFC 3339 in UTC; the pattern holds also where a validator does not check formats
_TIME = {"format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}


def time(description: str | None = None) -> Schema:
    return described({"type": "string", **_TIME}, description)


def time_or_null(description: str | None = None) -> Schema:
    return described({"type": ["string", "null"], **_TIME}, description)


def one_of(values: Any, description: str | None = None) -> Schema:
    return described({"enum": [str(value) for value in values]}, description)
