"""Writes what docs/ says of messages for machines and by example, from the code and the vectors:

    python -m tests.protocol.written

docs/protocol.schema.json (JSON bodies; the CDDL is for CBOR) and docs/protocol-examples.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from dalsegno.broker.protocol import strict_cbor
from dalsegno.broker.protocol.codec import MESSAGE_TYPES
from tests.protocol import vectors

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = DOCS / "protocol.schema.json"
EXAMPLES = DOCS / "protocol-examples.md"

PAYLOAD = {
    "description": "A plain value as itself, any other payload as an object with the one key $payload.",
    "anyOf": [
        {
            "type": "object",
            "properties": {
                "$payload": {
                    "type": "object",
                    "properties": {
                        "encoding": {"type": "string"},
                        "data": {"type": "string", "contentEncoding": "base64"},
                    },
                    "required": ["encoding", "data"],
                }
            },
            "required": ["$payload"],
            "additionalProperties": False,
        },
        {"not": {"type": "object", "required": ["$payload"], "maxProperties": 1}},
    ],
}
HEAD = """# Every message, by example

Each as a JSON body, and as a CBOR body in diagnostic notation (RFC 8949, section 8). Both mean the same; the
bytes of the second are in [vectors/messages.json](vectors/messages.json). What the fields are for is in
[Wire protocol](protocol.md), and which there are in [protocol.cddl](protocol.cddl) (CBOR) and
[protocol.schema.json](protocol.schema.json) (JSON). This page is written by a program from the vectors, which
the tests hold to the code.
"""


def schema() -> str:
    """A schema of JSON bodies. `$defs` has one by each message's type; readers ignore what they do not know, so
    that nothing forbids further fields."""
    names = sorted(MESSAGE_TYPES)
    bodies, parts = msgspec.json.schema_components(
        [MESSAGE_TYPES[name] for name in names],
        schema_hook=lambda _: {"title": "any value"},
        ref_template="#/$defs/{name}",
    )
    defs = {name: _bare(part) for name, part in sorted(parts.items())} | {"Payload": PAYLOAD}
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "JSON bodies of dalsegno's wire protocol v1",
        "description": "The body of the message whose AMQP property `type` is T fits $defs/T.",
        "$defs": defs | dict(zip(names, bodies, strict=True)),
    }
    return json.dumps(document, indent=1) + "\n"


def _bare(part: Any) -> Any:
    """Without what the classes say of themselves to readers of the code, nor defaults, nor that an absent field
    might be null: it may not."""
    if isinstance(part, list):
        return [_bare(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _bare(value) for key, value in part.items() if key not in ("title", "description", "default")}
    if "properties" in part:  # of which one may be called `description`
        kept["properties"] = {name: _bare(field) for name, field in part["properties"].items()}
    if "anyOf" in kept:
        choices = [choice for choice in kept["anyOf"] if choice != {"type": "null"}]
        if len(choices) == 1:
            del kept["anyOf"]
            kept |= choices[0]
        else:
            kept["anyOf"] = choices
    return kept


def diagnostic(value: Any, indent: str = "") -> str:
    """CBOR diagnostic notation, an entry a line where a map or array has others within."""
    inner = indent + "  "
    match value:
        case bytes():
            return f"h'{value.hex()}'"
        case dict() | list() if value:
            if isinstance(value, dict):
                items = [f"{diagnostic(key)}: {diagnostic(each, inner)}" for key, each in value.items()]
                begin, end = "{}"
            else:
                items = [diagnostic(each, inner) for each in value]
                begin, end = "[]"
            if len(line := f"{begin}{', '.join(items)}{end}") + len(indent) <= 110 and "\n" not in line:
                return line
            return f"{begin}\n" + ",\n".join(inner + item for item in items) + f"\n{indent}{end}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def examples() -> str:
    return HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    before = ""
    for vector in sorted(vectors.MESSAGES, key=lambda vector: str(vector["type"])):
        if vector["type"] != before:
            before = vector["type"]
            yield f"\n## {before}\n"
        cbor = diagnostic(strict_cbor.loads(bytes.fromhex(vector["cbor"])))
        plain = diagnostic(vector["json"])  # is JSON where there are no bytes
        name = vector["name"][0].upper() + vector["name"][1:]
        yield f"\n{name}:\n\n```json\n{plain}\n```\n\n```cbor\n{cbor}\n```\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema())
    EXAMPLES.write_text(examples())
