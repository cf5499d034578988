"""What models write as arguments, and what is made of it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.policy.arguments import MAX_CHARS, Unfit, repaired

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "minLength": 1, "maxLength": 20},
        "limit": {"type": "integer", "minimum": 1, "maximum": 50},
        "ratio": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "deep": {"type": "boolean"},
        "unit": {"enum": ["metric", "imperial"]},
        "who": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "near": {"$ref": "#/$defs/Place"},
        "page": {"type": ["integer", "null"], "default": 1},
    },
    "required": ["query"],
    "$defs": {
        "Place": {
            "type": "object",
            "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
            "required": ["lat", "lon"],
        }
    },
}
QUERY = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('{"query": "a"}', {"query": "a"}),
        (r'"{\"query\": \"a\"}"', {"query": "a"}),
        ('```json\n{"query": "a",}\n```', {"query": "a"}),
        ('{"query": "a, }", "tags": ["x",],}', {"query": "a, }", "tags": ["x"]}),
        ("{'query': 'it', 'deep': True, 'who': None}", {"query": "it", "deep": True}),
        ('{"Query": "a", "LIMIT": "5"}', {"query": "a", "limit": 5}),
        ('{"query": "a", "room_id": "!other:x", "asker": "@mallory:x"}', {"query": "a"}),
        ('{"query": 5, "limit": 3.0}', {"query": "5", "limit": 3}),
        ('{"query": ["a"], "tags": "x"}', {"query": "a", "tags": ["x"]}),
        ('{"query": "a", "tags": "[\\"x\\", 1]"}', {"query": "a", "tags": ["x", "1"]}),
        ('{"query": "a", "deep": "yes", "ratio": "0.5"}',
         {"query": "a", "deep": True, "ratio": 0.5}),
        ('{"query": "a", "unit": "Metric"}', {"query": "a", "unit": "metric"}),
        ('{"query": "a", "limit": null, "page": null}', {"query": "a"}),
        ('{"query": "a", "near": "{\\"lat\\": \\"1\\", \\"LON\\": 2}"}',
         {"query": "a", "near": {"lat": 1, "lon": 2}}),
        ('[{"query": "a"}]', {"query": "a"}),
        ('{"arguments": {"query": "a"}}', {"query": "a"}),
        ('{"parameters": "{\\"query\\": \\"a\\"}"}', {"query": "a"}),
        ("moon landing", {"query": "moon landing"}),
        ('"moon landing"', {"query": "moon landing"}),
    ],
)  # fmt: skip
def test_what_was_clearly_meant_is_mended(written: str, meant: dict[str, Any]) -> None:
    assert repaired(written, SCHEMA) == meant


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{}", "query is missing"),
        ("", "query is missing"),
        ('{"query": "a', "no JSON object"),
        ('{"query": {"a": 1}}', "query"),
        ('{"query": "a", "limit": 0}', "limit: at least 1"),
        ('{"query": "a", "limit": "many"}', "limit"),
        ('{"query": "a", "limit": true}', "limit"),
        ('{"query": "a", "limit": 2.5}', "whole number"),
        ('{"query": "a", "ratio": NaN}', "no JSON object"),
        ('{"query": "a", "ratio": "1e999"}', "ratio"),
        ('{"query": "a", "deep": "perhaps"}', "deep"),
        ('{"query": "a", "unit": "miles"}', "unit"),
        ('{"query": "a", "tags": [1, 2, 3, 4]}', "tags: at most 3"),
        ('{"query": "a", "near": {"lat": 1}}', "near.lon is missing"),
        (f'{{"query": "{"a" * 21}"}}', "query: at most 20"),
        (f'{{"query": "{"a" * MAX_CHARS}"}}', "longer than"),
        ("[" * 4000, "no JSON object"),
        ("{'a':" * 1000, "no JSON object"),
    ],
)
def test_what_does_not_fit_is_said_and_not_guessed(written: str, problem: str) -> None:
    with pytest.raises(Unfit, match=problem):
        repaired(written, SCHEMA)


def test_a_missing_value_with_a_default_is_the_default() -> None:
    schema = {"properties": {"n": {"type": "integer", "default": 3}}, "required": ["n"]}
    assert repaired("{}", schema) == {"n": 3}


def test_a_schema_that_allows_more_keeps_more() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}
    assert repaired('{"A": "1", "b": "2"}', schema) == {"a": "1", "b": "2"}
    assert repaired('{"b": "2"}', {}) == {"b": "2"}


def test_a_schema_that_refers_to_itself_ends() -> None:
    loop = {"properties": {"a": {"$ref": "#/properties/a"}}}
    with pytest.raises(Unfit, match="deeply"):
        repaired('{"a": 1}', loop)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*SCHEMA["properties"], "x", ""]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(json_values)
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_fits_or_is_refused(value: object) -> None:
    try:
        fitted = repaired(json.dumps(value), SCHEMA)
    except Unfit:
        return
    assert set(fitted) <= set(SCHEMA["properties"])
    assert 1 <= len(str(fitted["query"])) <= 20
    assert 1 <= fitted.get("limit", 1) <= 50  # type: ignore[operator]
    assert isinstance(fitted.get("deep", True), bool)
    assert isinstance(fitted.get("tags", []), list)
    ratio = fitted.get("ratio", 0.0)
    assert isinstance(ratio, int | float) and math.isfinite(ratio)
    # What fits, fits again as it is.
    assert repaired(json.dumps(fitted), SCHEMA) == fitted


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_arguments_or_refused(text: str) -> None:
    try:
        fitted = repaired(text, QUERY)
    except Unfit:
        return
    assert set(fitted) == {"query"}


@given(st.text(max_size=30), st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_what_is_right_stays_as_it_is(query: str, limit: int) -> None:
    given = {"query": query, "tags": [query]}
    if not query or len(query) > 20:
        return
    assert repaired(json.dumps({**given, "limit": limit}), SCHEMA) == {**given, "limit": limit}
