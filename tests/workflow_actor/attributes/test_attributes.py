"""Search attributes of an instance: what is recorded, what is refused, and which rows lists find it by."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.attributes.declared import DeclaredAttributes
from dalsegno.actors.workflow_actor.attributes.events import SearchAttributesUpserted
from dalsegno.actors.workflow_actor.attributes.intents import UpsertAttributes
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.run.events import Ran, RunStarted
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.persistence.port import AttributeSet
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from dalsegno.search_attributes import ATTRIBUTES_BYTES_MAX, AttributeValue, Declared
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from tests.workflow_actor.rig import CALLER, SECOND, T0, Rig, ScriptedCode, Step, answer, start

DECLARED: Declared = {
    "Customer": Type.KEYWORD,
    "Total": Type.INT,
    "Tags": Type.KEYWORD_LIST,
    **{f"Note{number}": Type.TEXT for number in range(10)},
}
ANNA = AttributeValue(Type.KEYWORD, "anna")


def total(number: int) -> AttributeValue:
    return AttributeValue(Type.INT, number)


def tags(*names: str) -> AttributeValue:
    return AttributeValue(Type.KEYWORD_LIST, names)


def upsert(**attributes: AttributeValue | None) -> UpsertAttributes:
    return UpsertAttributes(attributes=attributes, line="orders.py:7")


def rig_of(*steps: Step, declared: Declared = DECLARED) -> Rig:
    rig = Rig(ScriptedCode(steps))
    rig.instance.declared = DeclaredAttributes(declared)
    return rig


def rows(activation: Activation) -> dict[str, tuple[AttributeValue | None, int]]:
    assert all(isinstance(row, AttributeSet) and row.begun_at == T0 for row in activation.attributes)
    return {row.name: (row.value, row.places) for row in activation.attributes}


def test_a_run_has_the_attributes_that_it_was_started_with() -> None:
    rig = rig_of([])
    started = rig.start(search_attributes={"Customer": ANNA, "Tags": tags("a", "b")})
    assert rig.state.attributes == {"Customer": ANNA, "Tags": tags("a", "b")}
    assert rows(started) == {"Customer": (ANNA, 1), "Tags": (tags("a", "b"), 2)}
    assert rig.send(Signal(name="s")).attributes == ()


def test_a_run_without_attributes_writes_no_row_for_them() -> None:
    rig = rig_of([], [])
    assert rig.start().attributes == rig.send(Signal(name="s")).attributes == ()


def test_what_code_sets_is_recorded_with_what_it_did_and_only_what_changes_is_written() -> None:
    rig = rig_of(
        [upsert(Total=total(1))],
        [upsert(Total=total(2), Tags=tags("x"), Customer=None), upsert(Total=total(3))],
        [upsert(Total=total(3))],
    )
    started = rig.start(search_attributes={"Customer": ANNA, "Tags": tags("a", "b")})
    assert rows(started) == {"Customer": (ANNA, 1), "Tags": (tags("a", "b"), 2), "Total": (total(1), 1)}

    changed = rig.send(Signal(name="s"))
    assert rows(changed) == {"Customer": (None, 1), "Tags": (tags("x"), 2), "Total": (total(3), 1)}
    assert rig.state.attributes == {"Tags": tags("x"), "Total": total(3)}
    assert list(rig.state.attributes) == ["Tags", "Total"]
    ran = rig.history["run-1"][-1]
    assert isinstance(ran, Ran)
    assert [type(want) for want in ran.wants] == [SearchAttributesUpserted] * 2

    assert rig.send(Signal(name="s")).attributes == (), "nothing has changed"
    rig.move()
    assert rig.state.attributes == {"Tags": tags("x"), "Total": total(3)}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"Customr": ANNA}, "'Customr' is not declared in this namespace, which has Customer, Note0"),
        ({"Total": ANNA}, "'Total' is declared as int, and this is keyword"),
        (
            {f"Note{number}": AttributeValue(Type.TEXT, "x" * 4_000) for number in range(9)},
            f"may have {ATTRIBUTES_BYTES_MAX:,} bytes, and these have 36,045",
        ),
    ],
)
def test_a_start_with_attributes_that_do_not_fit_is_refused_and_nothing_is_recorded(
    attributes: dict[str, AttributeValue], said: str
) -> None:
    rig = rig_of([])
    refused = rig.start(search_attributes=attributes, caller=CALLER, wants_accepted=True)
    assert not refused.recorded
    assert rig.instance.state is None
    error = answer(refused).error
    assert error is not None
    assert error[0] == "rejected"
    assert said in error[1]


def test_a_start_that_is_refused_for_its_attributes_leaves_the_open_run_in_place() -> None:
    rig = rig_of([], [])
    rig.start()
    replacing = WorkflowIDConflictPolicy.TERMINATE_EXISTING
    refused = rig.start("run-2", search_attributes={"X": ANNA}, conflict_policy=replacing, caller=CALLER)
    assert not refused.recorded
    assert (rig.instance.run_id, rig.status()) == ("run-1", WorkflowStatus.RUNNING)


def test_a_start_that_comes_again_is_answered_although_its_attributes_are_declared_no_more() -> None:
    rig = rig_of([])
    rig.start(search_attributes={"Customer": ANNA}, caller=CALLER, wants_accepted=True)
    rig.instance.declared.now = {}
    again = rig.start(search_attributes={"Customer": ANNA}, caller=CALLER, wants_accepted=True)
    assert answer(again).error is None


def test_code_that_sets_what_is_not_declared_is_suspended_there_and_goes_on_once_it_is() -> None:
    rig = rig_of([upsert(Region=ANNA)])
    started = rig.start()
    assert rig.status() is WorkflowStatus.SUSPENDED
    assert rig.state.attributes == {}
    assert started.attributes == ()
    reason = rig.state.reason or ""
    assert reason.startswith("workflow.upsert_search_attributes at orders.py:7: the search attribute 'Region'")
    assert isinstance(rig.history["run-1"][0], RunStarted)

    rig.instance.declared.now = {**DECLARED, "Region": Type.KEYWORD}
    woken = rig.send(WakeUp(), held=False, after=2 * SECOND)
    assert rig.status() is WorkflowStatus.RUNNING
    assert rows(woken) == {"Region": (ANNA, 1)}


def test_as_long_as_a_format_is_written_that_has_no_place_for_them_attributes_are_refused() -> None:
    rig = rig_of([], [upsert(Total=total(1))], [])
    rig.instance.codec = CODEC.writing(2)
    refused = rig.start(search_attributes={"Customer": ANNA}, caller=CALLER, wants_accepted=True)
    error = answer(refused).error
    assert error is not None
    assert "search attributes cannot be stored yet" in error[1]
    rig = rig_of([], [upsert(Total=total(1))])
    rig.start()
    rig.instance.codec = CODEC.writing(2)
    rig.send(Signal(name="s"))
    assert rig.status() is WorkflowStatus.SUSPENDED
    assert "search attributes cannot be stored yet" in (rig.state.reason or "")


def test_a_start_is_kept_from_the_instance_while_its_attributes_are_looked_up() -> None:
    rig = rig_of([])
    unknown = start("run-1", search_attributes={"Region": ANNA})
    assert rig.instance.should_look_up(unknown)
    rig.instance.looked_up_for = unknown
    assert not rig.instance.should_look_up(unknown), "it was, and is refused now"
    assert not rig.instance.should_look_up(start("run-1", search_attributes={"Customer": ANNA}))
