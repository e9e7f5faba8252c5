"""docs/vectors, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dalsegno.broker.port import Message
from dalsegno.broker.protocol.codec import CBOR, JSON

_FOLDER = Path(__file__).parents[2] / "docs" / "vectors"


def read(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.json").read_text())


MESSAGES: list[dict[str, Any]] = read("messages")["messages"]


def as_cbor(vector: dict[str, Any]) -> Message:
    return Message(body=bytes.fromhex(vector["cbor"]), type=vector["type"], message_id="m-1", content_type=CBOR)


def as_json(vector: dict[str, Any]) -> Message:
    body = json.dumps(vector["json"], ensure_ascii=False).encode()
    return Message(body=body, type=vector["type"], message_id="m-1", content_type=JSON)
