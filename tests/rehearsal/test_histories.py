"""A run is one file, which says what was stored, and nothing that was to stay there."""

from __future__ import annotations

import json
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.data_converter import DataConverter
from dalsegno.errors import WorkflowNotFoundError
from dalsegno.payload import BINARY_PLAIN, JSON_PLAIN, Payload
from dalsegno.payload_codec import PayloadContext
from dalsegno.rehearsal import (
    NewerHistoryError,
    Redaction,
    UnusableHistoryError,
    WorkflowHistory,
    history_of,
)
from dalsegno.rehearsal.redaction import redacted_text
from dalsegno.testing import Replayer, WorkflowEnvironment
from tests.default_converter import from_payload, to_payload
from tests.encrypted import encrypted
from tests.payload_stores.memory import MemoryPayloadStore
from tests.rehearsal.replayed import Order, Sale, charge

ANN = Order("Ann Miller", 1999)


@asynccontextmanager
async def sold(
    *words: str, id_: str = "s-1", order: Order = ANN, **options: Any
) -> AsyncIterator[WorkflowEnvironment]:
    """An environment with a sale that has been charged and was told this."""
    suspended = lambda workflow_id, reason: None  # noqa: E731
    async with (
        await WorkflowEnvironment.start_time_skipping(on_suspended=suspended, **options) as env,
        env.worker(workflows=[Sale], activities=[charge]),
    ):
        sale = await env.client.start(Sale.run, order, id=id_)
        await env.sleep(1)
        for word in words:
            await sale.signal(Sale.say, word)
        await env.sleep(1)
        yield env


async def test_a_history_says_what_was_stored_and_survives_its_file(tmp_path: Any) -> None:
    async with sold("ship") as env:
        history = await env.fetch_history("s-1")
        with pytest.raises(WorkflowNotFoundError, match="no workflow has the ID 's-2'"):
            await env.fetch_history("s-2")
        with pytest.raises(WorkflowNotFoundError, match="has no run 'r'"):
            await env.fetch_history("s-1", "r")
    history.to_file(tmp_path / "s-1.json")
    again = WorkflowHistory.from_file(tmp_path / "s-1.json")
    assert again == history
    assert (again.workflow_type, again.status.value, again.is_whole) == ("Sale", "running", True)
    state = again.state()
    assert next(entry.input.words for entry in state.log) == "the beginning"
    assert [activity.spec.activity_type for activity in state.activities.values()] == ["ship"]
    laid_out = json.dumps(json.loads(history.to_json()), indent=4)
    assert WorkflowHistory.from_json(laid_out) == history


@pytest.mark.parametrize(
    ("spoil", "kind", "why"),
    [
        (lambda text: "", UnusableHistoryError, "no history of a workflow"),
        (lambda text: "import this", UnusableHistoryError, "no history of a workflow"),
        (lambda text: '{"workflows": []}', UnusableHistoryError, "no history of a workflow"),
        (lambda text: text[: len(text) // 2], UnusableHistoryError, "cut off or changed"),
        (lambda text: text.rstrip()[:-1], UnusableHistoryError, "cut off or changed"),
        (lambda text: text.replace('"s-1"', '"s-2"'), UnusableHistoryError, "cut off or changed"),
        (lambda text: text.replace('"task_queue"', '"queue"'), UnusableHistoryError, "cut off or changed"),
        (
            lambda text: text.replace('"dalsegno_history": 1', '"dalsegno_history": 2'),
            NewerHistoryError,
            r"a history of format 2, and this version of dalsegno reads them up to format 1",
        ),
    ],
)
async def test_what_is_no_history_is_told_in_a_sentence(spoil: Any, kind: type[Exception], why: str) -> None:
    async with sold() as env:
        text = (await env.fetch_history("s-1")).to_json()
    with pytest.raises(kind, match=f"^s-1.json is .*{why}"):
        WorkflowHistory.from_json(spoil(text), "s-1.json")


async def test_a_file_that_is_cut_off_or_spoiled_anywhere_is_refused() -> None:
    async with sold(id_="Süß") as env:
        history = await env.fetch_history("Süß")
    whole = history.to_json().encode()
    spoiled = [whole[:length] for length in range(len(whole) - 2)]  # all but the line's end
    spoiled += [whole[:place] + b"\xff" + whole[place + 1 :] for place in range(0, len(whole), 7)]
    spoiled.append(b'{"dalsegno_history": 1, "history": ' + b"[" * 100_000)
    for data in spoiled:
        with pytest.raises(UnusableHistoryError):
            WorkflowHistory.from_json(data)
    assert WorkflowHistory.from_json(whole) == history


async def test_rows_of_a_newer_version_and_damaged_ones_are_told() -> None:
    async with sold() as env:
        history = await env.fetch_history("s-1")
    first, *others = history.journal
    newer = bytes([0x92, CODEC.newest + 1]) + b"what nobody reads"
    with pytest.raises(NewerHistoryError, match=r"The history of workflow 's-1' is newer: .*format"):
        replace(history, journal=(replace(first, events=newer), *others)).state()
    with pytest.raises(UnusableHistoryError, match=r"leads to no state: .*the journal has a gap"):
        replace(history, journal=tuple(others)).state()


async def test_tokens_of_activities_stay_where_they_are() -> None:
    tokens: set[bytes] = set()
    async with sold("ship") as env:
        history = await env.fetch_history("s-1")
        with closing(env._stage._store.people_reader()) as reader:  # type: ignore[attr-defined]
            for row in reader.history(history.run_id)[0]:
                tokens |= tokens_in(CODEC.decode_record(row.events))
    assert {token[7] for token in tokens} == {1, 2}, "of both activities"
    assert not any(token in row.events for token in tokens for row in history.journal)
    others = set().union(*(tokens_in(CODEC.decode_record(row.events)) for row in history.journal))
    assert {token[:8] for token in others} == {token[:8] for token in tokens}


def tokens_in(value: Any) -> set[bytes]:
    match value:
        case msgspec.Struct():
            own = {value.token} if isinstance(getattr(value, "token", None), bytes) else set()  # type: ignore[attr-defined]
            return own.union(*(tokens_in(getattr(value, name)) for name in value.__struct_fields__))
        case tuple():
            return set().union(*map(tokens_in, value))
        case _:
            return set()


# --- redaction -----------------------------------------------------------------------------------------------


def redacted(value: Any, *rules: str) -> Any:
    payload = Redaction(rules)._payload(to_payload(value), named=False)
    return from_payload(payload)


def test_values_are_replaced_by_others_of_their_type_and_shape() -> None:
    value = {"name": "Ann Müller-1", "cents": -1999, "rate": 12.5, "none": None, "ok": True, "list": [0, "", 7]}
    assert redacted(value, "all") == {
        "name": "Xxx Xxxxxx-1",
        "cents": -1111,
        "rate": 11.1,
        "none": None,
        "ok": True,
        "list": [0, "", 1],
    }
    assert redacted(value, "name", "ok", "list") == {
        **value,
        "name": "Xxx Xxxxxx-1",
        "ok": False,
        "list": [0, "", 1],
    }
    assert redacted({"a": {"name": {"first": "Ann"}}}, "name") == {"a": {"name": {"first": "Xxx"}}}
    assert redacted({"ann@shop.de": 2}, "all") == {"xxx@xxxx.xx": 1}
    assert redacted(["Ann"], "name") == ["Ann"]
    assert Redaction(["all"]).said("Ann, 7") == "Xxx, 1"
    assert Redaction(["name"]).said("Ann, 7") == "Ann, 7"


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("2026-12-01", "1111-11-11"),
        ("2026-12-01T09:30:00.5Z", "1111-11-11T11:11:11.1Z"),
        ("PT90S", "PT11S"),
        ("2f0c9a3e-0000-4a1b-9c3d-aabbccddeeff", "1a1a1a1a-1111-1a1a-1a1a-aaaaaaaaaaaa"),
        ("19.99", "11.11"),
        ("Ключ", "Xxxx"),
        ("\u0664\u0665 \u096f", "11 1"),
    ],
)
def test_what_a_text_stands_for_stays(text: str, replaced: str) -> None:
    assert redacted_text(text) == replaced


def test_what_cannot_be_read_is_counted_and_with_all_it_is_blank() -> None:
    sealed = Payload("sealed", b"secret")
    by_name, all_ = Redaction(["name"]), Redaction(["all"])
    assert by_name._payload(sealed, named=False) is sealed
    assert all_._payload(sealed, named=False) == Payload("sealed", bytes(6))
    assert (by_name.unread, all_.unread) == (1, 1)
    assert all_._payload(Payload(BINARY_PLAIN, b"ab"), named=False) == Payload(BINARY_PLAIN, bytes(2))
    opened = Redaction(["all"], lambda payload: Payload(JSON_PLAIN, b'"Ann"'))
    assert opened._payload(sealed, named=False) == Payload(JSON_PLAIN, b'"Xxx"')


def test_what_is_nested_too_deep_is_blank() -> None:
    deep = Payload(JSON_PLAIN, b"[" * 900 + b'"Ann"' + b"]" * 900)
    all_ = Redaction(["all"])
    assert b"Ann" not in all_._payload(deep, named=False).data


def test_payloads_within_others_are_looked_into() -> None:
    within = msgspec.to_builtins(to_payload({"name": "Ann", "card": "4111"}))
    for rule, left in (("name", {"name": "Xxx", "card": "4111"}), ("all", {"name": "Xxx", "card": "1111"})):
        found = redacted({"args": [within]}, rule)["args"][0]
        assert from_payload(msgspec.convert(found, Payload)) == left
    own = {"encoding": "utf-8", "data": "Ann1"}
    assert redacted(own, "data") == {"encoding": "utf-8", "data": "Xxx1"}


def test_what_else_is_in_a_sealed_payload_is_sealed_again() -> None:
    seal, open_ = lambda it: Payload("sealed", it.data[::-1]), lambda it: Payload(JSON_PLAIN, it.data[::-1])
    sealed = seal(to_payload({"name": "Ann", "card": "4111"}))
    by_name = Redaction(["name"], open_, encode=seal)._payload(sealed, named=False)
    assert by_name.encoding == "sealed"
    assert from_payload(open_(by_name)) == {"name": "Xxx", "card": "4111"}
    all_ = Redaction(["all"], open_, encode=seal)._payload(sealed, named=False)
    assert from_payload(all_) == {"name": "Xxx", "card": "1111"}


async def test_a_redacted_history_holds_no_value_and_its_code_runs_again() -> None:
    async with sold("ship") as env:
        with closing(env._stage._store.people_reader()) as reader:  # type: ignore[attr-defined]
            history = history_of(reader, None, "s-1", redaction=Redaction(["all"]))
    blobs = b"".join(row.events for row in history.journal)
    assert b"Ann" not in blobs and b"Miller" not in blobs and b"1999" not in blobs
    assert history.redacted == ("all",)
    result = await Replayer(workflows=[Sale]).replay_workflow(history)
    assert result.fits


def opened(payload: Payload) -> Payload:
    assert encrypted.payload_codec is not None
    return encrypted.payload_codec.decode(payload, PayloadContext("s-1"))


async def test_what_is_encrypted_stays_so_and_is_replaced_where_the_key_is() -> None:
    async with sold("ship", data_converter=encrypted) as env:
        history = await env.fetch_history("s-1")
        with closing(env._stage._store.people_reader()) as reader:  # type: ignore[attr-defined]
            replaced = history_of(reader, None, "s-1", redaction=Redaction(["customer"], opened))
            blank = Redaction(["all"])
            history_of(reader, None, "s-1", redaction=blank)
    assert pickle.dumps(encrypted.payload_codec), (
        "other processes can be given it, where the engine is loaded, too"
    )
    blobs = b"".join(row.events for row in history.journal)
    assert b"encrypted" in blobs
    assert b"Miller" not in blobs
    assert blank.unread > 0
    blobs = b"".join(row.events for row in replaced.journal)
    assert b"Xxx Xxxxxx" in blobs
    for one in (history, replaced):
        sealed = Replayer(workflows=[Sale], data_converter=encrypted)
        assert (await sealed.replay_workflow(one)).fits
    result = await Replayer(workflows=[Sale]).replay_workflow(history, raise_on_replay_failure=False)
    assert not result.fits


async def test_what_lies_in_a_payload_store_is_brought_along_where_it_can_be_reached() -> None:
    store = MemoryPayloadStore()
    converter = DataConverter(payload_store=store, threshold=1024)
    async with sold("ship", order=Order("Ann " * 1000, 1999), data_converter=converter) as env:
        with closing(env._stage._store.people_reader()) as reader:  # type: ignore[attr-defined]
            bringing, referring = Redaction(fetch=partial(converter._stored.resolved, pieces=None)), Redaction()
            whole = history_of(reader, None, "s-1", redaction=bringing)
            history_of(reader, None, "s-1", redaction=referring)
    assert (bringing.referred, referring.referred > 0) == (0, True)
    assert store.puts
    store.pieces.clear()
    assert (await Replayer(workflows=[Sale]).replay_workflow(whole)).fits
