"""What the corpus is: large, the same each time, about every message and each of its fields."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256

import msgspec

from dalsegno.broker.protocol.codec import CBOR, JSON, MESSAGE_TYPES
from tests.bad_input.corpus import CANARY, Refusal, corpus

CASES_MIN = 1_500


def digest() -> str:
    told = [(case.name, case.message, case.refusal.value, case.has_own_id) for case in corpus()]
    return sha256(msgspec.msgpack.encode(told)).hexdigest()


def test_there_are_at_least_1500_distinct_cases_each_with_a_name_of_its_own() -> None:
    cases = corpus()
    distinct = {msgspec.json.encode((case.message, sorted(case.message.headers))) for case in cases}
    assert len(distinct) == len({case.name for case in cases}) == len(cases) >= CASES_MIN


def test_the_corpus_is_the_same_in_every_process() -> None:
    program = "from tests.bad_input.test_corpus import digest; print(digest())"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, env=environment, text=True).strip() == digest()


def test_each_field_of_each_message_is_wrong_in_some_case_of_either_encoding() -> None:
    names = {case.name for case in corpus()}
    for kind, cls in MESSAGE_TYPES.items():
        for field in msgspec.structs.fields(cls):
            for label in ("CBOR", "JSON"):
                prefix = f"{kind}, {label}, {field.name}: "
                assert any(name.startswith(prefix) for name in names), prefix


def test_most_cases_hold_the_canary() -> None:
    cases = corpus()
    singing = [case for case in cases if CANARY.encode() in case.message.body]
    assert len(singing) > len(cases) * 0.9
    assert {case.message.content_type for case in singing} >= {CBOR, JSON}
    assert {case.refusal for case in singing} == set(Refusal)
