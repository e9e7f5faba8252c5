"""What docs/ says of messages for machines and by example is what the code and the vectors give."""

from __future__ import annotations

import json

import pytest

from tests.protocol import vectors, written

SCHEMA = json.loads(written.SCHEMA.read_text())["$defs"]


def test_the_schema_and_the_examples_are_those_of_the_code() -> None:
    """If not: `python -m tests.protocol.written`."""
    assert written.SCHEMA.read_text() == written.schema()
    assert written.EXAMPLES.read_text() == written.examples()


def test_the_fields_of_each_vector_are_in_the_schema() -> None:
    for vector in vectors.MESSAGES:
        body = SCHEMA[SCHEMA[vector["type"]]["$ref"].rpartition("/")[2]]
        assert set(body.get("required", ())) <= set(vector["json"]) <= set(body["properties"]), vector["name"]


@pytest.mark.parametrize(
    ("value", "notation"),
    [
        ({"token": b"\x00\xff", "n": 2.5}, '{"token": h\'00ff\', "n": 2.5}'),
        ([True, None, -1, "ä\n"], '[true, null, -1, "ä\\n"]'),
        ({"a": {}, "b": []}, '{"a": {}, "b": []}'),
    ],
)
def test_diagnostic_notation(value: object, notation: str) -> None:
    assert written.diagnostic(value) == notation
