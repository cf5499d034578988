"""What a model writes as a tool's arguments, mended where it is clear what was meant.

Small models write numbers as text, one value for a list, names in another case, or JSON inside a
string. Of JSON Schema we know what tools use: types, properties, `required`, `enum`, bounds,
`items`, `anyOf` and `$ref`. What else a schema asks for (`pattern`, `format`) its tool checks.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

MAX_CHARS: Final = 8_000
"""Longer arguments are refused."""
_MAX_DEPTH: Final = 12
_MAX_ITEMS: Final = 100
_SHOWN: Final = 60
_FENCE: Final = re.compile(r"^\s*```[\w-]*\s*(.*?)\s*```\s*$", re.DOTALL)
_TRAILING_COMMA: Final = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])')
_WRAPPERS: Final = frozenset({"arguments", "parameters", "input"})
_YES: Final = frozenset({"true", "yes", "1", "on"})
_NO: Final = frozenset({"false", "no", "0", "off"})

Schema = Mapping[str, object]
_UNREAD: Final = object()


class Unfit(ValueError):
    """The arguments do not fit; `str()` says to the model what is wrong."""


def repaired(written: str, schema: Schema) -> dict[str, object]:
    """The arguments as the schema wants them, without keys that it does not name. Raises Unfit."""
    if len(written) > MAX_CHARS:
        raise Unfit(f"the arguments are longer than {MAX_CHARS} characters")
    value = _unwrapped(_read(written), schema)
    if value is _UNREAD or not isinstance(value, dict):
        value = _alone(written if value is _UNREAD else value, schema)
    rules = {**schema, "type": "object"}
    return cast("dict[str, object]", _fit(cast("object", value), rules, schema, "", 0))


def folded(name: str) -> str:
    """A name without what small models get wrong in names: case, and signs between words."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _read(text: str) -> object:
    """The value that a text holds; `_UNREAD` where it is no JSON, and nothing like it."""
    if fence := _FENCE.match(text):
        text = fence.group(1)
    if not text.strip() or text.strip() in ("null", "None"):
        return {}
    with suppress(ValueError, RecursionError):
        value = _loads(text)
        return _read(value) if isinstance(value, str) and value.lstrip()[:1] in "{[" else value
    with suppress(ValueError, RecursionError):
        return _loads(_TRAILING_COMMA.sub(lambda m: m.group(1) or "", text))
    # Python's own notation: single quotes, True and None.
    with suppress(ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return _loads(json.dumps(ast.literal_eval(text.strip())))
    return _UNREAD


def _loads(text: str) -> object:
    """Raises ValueError, also for numbers that JSON does not know (NaN)."""
    return cast("object", json.loads(text, parse_constant=_refuse))


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _unwrapped(value: object, schema: Schema) -> object:
    """Without a list around a single object, or a key around all arguments."""
    listed = _list(value)
    value = listed[0] if len(listed) == 1 and _object(listed[0]) else value
    given = _object(value)
    key = next(iter(given), "")
    if len(given) != 1 or key not in _WRAPPERS or key in _object(schema.get("properties")):
        return value
    inner = given[key]
    return _read(inner) if isinstance(inner, str) else inner


def _alone(value: object, schema: Schema) -> dict[str, object]:
    """One value for the one thing that the tool asks for."""
    names = list(_object(schema.get("properties")))
    required = [name for name in _list(schema.get("required")) if isinstance(name, str)]
    wanted = required if len(required) == 1 else names
    is_broken = isinstance(value, str) and value.lstrip()[:1] in ("{", "[")
    if len(wanted) != 1 or is_broken:
        raise Unfit("the arguments are no JSON object")
    return {wanted[0]: value}


def _fit(value: object, schema: Schema, root: Schema, path: str, depth: int) -> object:
    if depth > _MAX_DEPTH:
        raise Unfit(f"{path or 'the arguments'}: nested too deeply")
    if isinstance(ref := schema.get("$ref"), str):
        return _fit(value, _referred(ref, root), root, path, depth + 1)
    options = [_object(each) for key in ("anyOf", "oneOf") for each in _list(schema.get(key))]
    if options:
        return _fit_any(value, options, root, path, depth)
    if "const" in schema or "enum" in schema:
        choices = [schema["const"]] if "const" in schema else _list(schema["enum"])
        return _chosen(value, choices, path)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        typed = [{**schema, "type": kind} for kind in cast("list[object]", kinds)]
        return _fit_any(value, typed, root, path, depth)
    match kinds:
        case "object":
            return _fit_object(value, schema, root, path, depth)
        case "array":
            return _fit_array(value, schema, root, path, depth)
        case _:
            return _fit_plain(value, kinds, schema, path)


def _fit_plain(value: object, kind: object, schema: Schema, path: str) -> object:
    match kind:
        case "string":
            return _bounded(_as_string(value, path), schema, path)
        case "integer" | "number":
            return _bounded(_as_number(value, path, is_whole=kind == "integer"), schema, path)
        case "boolean":
            return _as_boolean(value, path)
        case "null":
            if value not in (None, "", "null"):
                raise Unfit(f"{path}: {_shown(value)} should be null")
            return None
        case _:
            return value


def _fit_any(
    value: object, options: Sequence[Schema], root: Schema, path: str, depth: int
) -> object:
    """By the first that it fits as it is, or else the first that it can be made to fit."""
    problem = Unfit(f"{path}: {_shown(value)} does not fit")
    fits: list[object] = []
    for option in options:
        try:
            fit = _fit(value, option, root, path, depth + 1)
        except Unfit as error:
            problem = error
        else:
            if fit == value and type(fit) is type(value):
                return fit
            fits.append(fit)
    if not fits:
        raise problem
    return fits[0]


def _fit_object(value: object, schema: Schema, root: Schema, path: str, depth: int) -> object:
    if isinstance(value, str):
        value = _read(value)
    if not isinstance(value, dict):
        raise Unfit(f"{path or 'the arguments'}: should be an object")
    given = cast("dict[str, object]", value)
    properties = {name: _object(each) for name, each in _object(schema.get("properties")).items()}
    required = set(_list(schema.get("required")))
    fitted: dict[str, object] = {}
    inside = f"{path}." if path else ""
    if not properties or schema.get("additionalProperties") not in (None, False):
        fitted = {str(key): each for key, each in given.items() if str(key) not in properties}
    for name, wanted in properties.items():
        key = name if name in given else _meant(name, given, properties)
        if key is None or (given[key] is None and name not in required):
            if name in required:
                if "default" not in wanted:
                    raise Unfit(f"{inside}{name} is missing")
                fitted[name] = wanted["default"]
            continue
        fitted.pop(key, None)
        fitted[name] = _fit(given[key], wanted, root, f"{inside}{name}", depth + 1)
    return fitted


def _meant(name: str, given: Mapping[str, object], properties: Mapping[str, Schema]) -> str | None:
    """A key that no property has, and that only differs from the name in its letters' case."""
    return next(
        (k for k in given if k not in properties and folded(str(k)) == folded(name) != ""), None
    )


def _fit_array(value: object, schema: Schema, root: Schema, path: str, depth: int) -> object:
    if isinstance(value, str):
        read = _read(value) if value.lstrip()[:1] == "[" else value
        value = value if read is _UNREAD else read
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    if len(items) > _MAX_ITEMS:
        raise Unfit(f"{path}: at most {_MAX_ITEMS} entries")
    wanted = _object(schema.get("items"))
    fitted = [_fit(e, wanted, root, f"{path}[{n}]", depth + 1) for n, e in enumerate(items)]
    return _bounded(fitted, schema, path)


def _as_string(value: object, path: str) -> str:
    match value:
        case str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
        case [str(only)]:
            return only
        case _:
            raise Unfit(f"{path}: {_shown(value)} should be text")


def _as_number(value: object, path: str, *, is_whole: bool) -> float:
    problem = Unfit(f"{path}: {_shown(value)} should be a {'whole ' if is_whole else ''}number")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise problem
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        with suppress(ValueError):
            return int(value)
    try:
        number = float(value)
    except ValueError:
        raise problem from None
    if not math.isfinite(number) or (is_whole and not number.is_integer()):
        raise problem
    return int(number) if is_whole or (isinstance(value, str) and number.is_integer()) else number


def _as_boolean(value: object, path: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    if word not in _YES | _NO:
        raise Unfit(f"{path}: {_shown(value)} should be true or false")
    return word in _YES


def _chosen(value: object, choices: Sequence[object], path: str) -> object:
    for choice in choices:
        if choice == value and type(choice) is type(value):
            return choice
    for choice in choices:
        if str(choice).casefold() == str(value).strip().casefold():
            return choice
    raise Unfit(f"{path}: {_shown(value)} should be one of {_shown(list(choices))}")


def _bounded(value: object, schema: Schema, path: str) -> object:
    """What is too small, too large, too short or too long is not made to fit: it was meant."""
    size = value if isinstance(value, int | float) else len(cast("str | list[object]", value))
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if (low == "minimum") is not isinstance(value, int | float):
            continue
        if (low == "minItems") is not isinstance(value, list):
            continue
        least, most = schema.get(low), schema.get(high)
        if isinstance(least, int | float) and size < least:
            raise Unfit(f"{path}: at least {least}")
        if isinstance(most, int | float) and size > most:
            raise Unfit(f"{path}: at most {most}")
    return value


def _referred(ref: str, root: Schema) -> Schema:
    place: Schema = root
    for part in ref.removeprefix("#/").split("/"):
        place = _object(place.get(part))
    return place


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
