"""The memo of an instance: what its code makes of it is recorded, shown, and goes along."""

from __future__ import annotations

from typing import Any

from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.memo.intents import UpsertMemo
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.shown.describe import describe
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.policies import WorkflowStatus
from tests.default_converter import to_payload
from tests.workflow_actor.rig import Rig, ScriptedCode, start


def upsert(**notes: Any) -> UpsertMemo:
    return UpsertMemo(memo={key: None if value is None else to_payload(value) for key, value in notes.items()})


GIVEN = {"customer": to_payload("anna"), "total": to_payload(7)}


def test_notes_are_set_and_taken_back_and_others_stay() -> None:
    rig = Rig(ScriptedCode([[upsert(total=8, stage="packed")], [upsert(customer=None)]]))
    rig.start(memo=GIVEN)
    assert rig.state.memo_now == {**GIVEN, "total": to_payload(8), "stage": to_payload("packed")}
    rig.send(Signal(name="s"))
    assert rig.state.memo_now == {"total": to_payload(8), "stage": to_payload("packed")}
    assert rig.state.info.memo == GIVEN
    shown = describe(rig.state, None, Heartbeats(), wake_at=None)
    assert shown["memo"] == rig.state.memo_now


def test_one_that_does_not_fit_into_a_description_is_left_out_its_keys_count() -> None:
    for large in ({"key": to_payload("x" * 300_000)}, {"x" * 300_000: to_payload(1)}):
        rig = Rig(ScriptedCode([[]]))
        rig.start(memo=large)
        shown = describe(rig.state, None, Heartbeats(), wake_at=None)
        assert shown["memo"] == {}
        assert "the memo, of 300" in shown["left_out"][0]


def test_a_run_that_changes_nothing_has_the_memo_of_its_start_and_stores_no_other() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start(memo=GIVEN)
    assert (rig.state.memo, rig.state.memo_now) == (None, GIVEN)


def test_the_next_run_has_it_unless_it_is_given_one_of_its_own() -> None:
    rig = Rig(ScriptedCode([[upsert(total=8), ContinueAsNew(args=())]]))
    _, following = rig.send_all(start(memo=GIVEN))
    assert following.run_id == rig.state.info.run_id
    assert rig.state.memo_now == {**GIVEN, "total": to_payload(8)}
    own = Rig(ScriptedCode([[upsert(total=8), ContinueAsNew(args=(), memo={})]]))
    own.send_all(start(memo=GIVEN))
    assert own.state.memo_now == {}


def test_code_that_wants_it_is_suspended_while_no_format_has_a_place_for_it() -> None:
    rig = Rig(ScriptedCode([[upsert(total=8)]]))
    rig.instance.codec = CODEC.writing(2)
    rig.start(memo=GIVEN)
    assert rig.state.status is WorkflowStatus.SUSPENDED
    assert rig.state.suspension is not None
    assert "cannot be stored yet" in rig.state.suspension.reason
