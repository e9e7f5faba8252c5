"""The code does what docs/vectors say. Implementations in other languages test against the same files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dalsegno.broker.port import Message
from dalsegno.broker.protocol import ids
from dalsegno.broker.protocol.codec import CBOR, JSON, MESSAGE_TYPES, check, decode, encode
from dalsegno.broker.protocol.messages import DescribeWorkflow
from dalsegno.broker.topology import routing_key_of, slot_of
from dalsegno.errors import InvalidMessageError
from tests.protocol import vectors

SLOTS = vectors.read("slots")
IDS = vectors.read("ids")
by_name = pytest.mark.parametrize("vector", vectors.MESSAGES, ids=[v["name"] for v in vectors.MESSAGES])


@pytest.mark.parametrize("vector", SLOTS["slots"])
def test_a_workflow_id_has_the_slot_of_the_vector(vector: dict[str, Any]) -> None:
    assert slot_of(vector["workflow_id"]) == vector["slot"]
    assert routing_key_of(vector["workflow_id"]) == vector["routing_key"]


@pytest.mark.parametrize("workflow_id", SLOTS["invalid"])
def test_a_workflow_id_that_the_vectors_call_invalid_is_refused(workflow_id: str) -> None:
    with pytest.raises(InvalidMessageError, match="workflow_id"):
        check(DescribeWorkflow(workflow_id=workflow_id))
    body = json.dumps({"workflow_id": workflow_id}).encode()
    with pytest.raises(InvalidMessageError, match="workflow_id"):
        decode(Message(body=body, type="workflow.describe", content_type=JSON))


def test_derived_ids_are_those_of_the_vectors() -> None:
    assert str(ids.RUN_NAMESPACE) == IDS["run_namespace"]
    assert str(ids.MESSAGE_NAMESPACE) == IDS["message_namespace"]
    for vector in IDS["run_ids"]:
        assert ids.run_id(vector["workflow_id"], vector["message_id"]) == vector["run_id"]
    for vector in IDS["effect_message_ids"]:
        derived = ids.effect_message_id(vector["run_id"], vector["sequence"], vector["index"])
        assert derived == vector["message_id"]


def test_there_is_a_vector_for_each_message_type() -> None:
    assert {vector["type"] for vector in vectors.MESSAGES} == set(MESSAGE_TYPES)


@by_name
def test_the_cbor_and_the_json_body_of_a_vector_mean_the_same(vector: dict[str, Any]) -> None:
    message = decode(vectors.as_cbor(vector))
    assert vector["type"] == type(message).TYPE
    assert decode(vectors.as_json(vector)) == message


@by_name
def test_a_vector_is_written_as_it_is_read(vector: dict[str, Any]) -> None:
    message = decode(vectors.as_cbor(vector))
    assert encode(message, message_id="m-1", content_type=CBOR).body.hex() == vector["cbor"]
    assert json.loads(encode(message, message_id="m-1", content_type=JSON).body) == vector["json"]
