"""Updates: validated before anything is recorded, handled once, answered by their IDs for as long as the run is
kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from dalsegno import ApplicationError, workflow
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import Caller, Resume, Suspend, Terminate
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.updates import changes, decisions
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.events import UpdateAdmitted, UpdateAwaited
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.policies import WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, Rig, ScriptedCode, answer, completed, effects, task

ELSEWHERE = Caller("other-replies", "call-2")


@dataclass
class Kept:
    items: list[str] = field(default_factory=list)


@workflow.defn(name="order")
class Basket:
    def __init__(self) -> None:
        self.items: list[str] = []
        self.is_closed = False
        self.seen: list[str] = []

    @workflow.run
    async def run(self, kept: Kept | None = None) -> list[str]:
        if kept is not None:
            self.items = kept.items
        self.seen.append("run")
        await workflow.wait_condition(lambda: self.is_closed)
        return self.items

    @workflow.update
    def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    @add.validator
    def check(self, item: str) -> None:
        if not item:
            raise ApplicationError("an item has a name", type="Nameless")
        if item == "bug":
            raise ValueError("oh")

    @workflow.update
    async def order(self, item: str) -> str:
        info = workflow.current_update_info()
        assert info is not None
        receipt = await workflow.execute_activity("order", item)
        return f"{info.name} {info.id}: {receipt}"

    @workflow.update
    async def close(self) -> str:
        self.is_closed = True
        return "closed"

    @workflow.update
    async def close_and_wait(self) -> list[str]:
        self.is_closed = True
        await workflow.wait_condition(lambda: self.is_closed)
        await asyncio.sleep(0)
        return self.items

    @workflow.update
    async def wait(self) -> None:
        await workflow.wait_condition(lambda: "woken" in self.items)

    @workflow.update
    def fail(self) -> None:
        raise ApplicationError("no", type="No")

    @workflow.update
    def break_down(self) -> None:
        raise KeyError("oh")

    @workflow.update
    def early(self) -> list[str]:
        self.seen.append("early")
        return list(self.seen)


def rig(*, passivating: bool = False) -> Rig:
    return Rig(WorkflowRegistry([(Basket, None)]), passivating=passivating)


def open_rig(*, passivating: bool = False) -> Rig:
    made = rig(passivating=passivating)
    made.start()
    return made


def update(name: str, *args: object, update_id: str = "u-1", **fields: object) -> Update:
    told = {"caller": CALLER, "wait_for": "completed", **fields}
    return Update(update_id=update_id, name=name, args=tuple(map(to_payload, args)), **told)  # type: ignore[arg-type]


def outcome(told: AnswerEffect) -> object:
    assert told.error is None
    assert told.update is not None
    assert told.update[1] == "completed"
    return None if told.result is None else from_payload(told.result)


def later(activation: object) -> UpdateEffect:
    (only,) = effects(activation, UpdateEffect)  # type: ignore[arg-type]
    assert isinstance(only, UpdateEffect)
    return only


@pytest.mark.parametrize("passivating", [False, True])
def test_what_its_handler_returns_is_the_answer(passivating: bool) -> None:
    town = open_rig(passivating=passivating)
    assert outcome(answer(town.send(update("add", "pen")))) == 1
    assert outcome(answer(town.send(update("add", "ink", update_id="u-2")))) == 2
    assert not town.events(UpdateAwaited)  # nobody waits for what is answered at once
    assert town.state.updates == {}


@pytest.mark.parametrize("passivating", [False, True])
def test_one_that_waits_is_accepted_at_once_and_its_caller_is_told_when_it_is_completed(
    passivating: bool,
) -> None:
    town = open_rig(passivating=passivating)
    asked = town.send(update("order", "pen"))
    assert answer(asked).update == ("u-1", "accepted")
    told = town.send(completed(task(asked), to_payload("no. 7")))
    effect = later(told)
    assert (effect.caller, effect.standing.stage) == (CALLER, "completed")
    assert effect.standing.outcome is not None
    assert from_payload(effect.standing.outcome.result) == "order u-1: no. 7"  # type: ignore[arg-type]
    town.settle()
    assert not town.instance.outstanding()


def test_who_waits_for_its_acceptance_alone_is_told_no_more() -> None:
    town = open_rig()
    asked = town.send(update("order", "pen", wait_for="accepted"))
    assert answer(asked).update == ("u-1", "accepted")
    assert effects(town.send(completed(task(asked), to_payload("no. 7"))), UpdateEffect) == []


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (update("add", ""), "Nameless"),
        (update("add", "bug"), "ValueError"),
        (update("add"), "PayloadError"),
        (update("add", 1, 2), "PayloadError"),
        (update("add", {"a": 1}), "PayloadError"),
        (update("remove", "pen"), "UpdateHandlerNotFound"),
    ],
)
def test_one_that_is_refused_leaves_nothing(command: Update, kind: str) -> None:
    town = open_rig()
    refused = town.send(command)
    assert not refused.recorded
    told = answer(refused)
    assert told.error is not None
    assert told.error[0] == "update_rejected"
    assert told.failure is not None
    assert told.failure.type == kind
    assert outcome(answer(town.send(update("add", "pen")))) == 1


def test_one_that_no_handler_takes_is_told_which_there_are() -> None:
    told = answer(open_rig().send(update("remove")))
    assert told.failure is not None
    assert "no handler for the update 'remove'; it has 'add', 'break_down', 'close'" in told.failure.message


def test_a_failure_of_its_handler_is_its_own() -> None:
    town = open_rig()
    told = answer(town.send(update("fail")))
    assert told.update == ("u-1", "completed")
    assert told.failure is not None
    assert (told.failure.type, told.failure.message) == ("No", "no")
    assert town.status() is WorkflowStatus.RUNNING


def test_a_bug_of_its_handler_suspends_the_instance_and_it_stays_accepted() -> None:
    town = open_rig()
    told = answer(town.send(update("break_down")))
    assert told.update == ("u-1", "accepted")
    assert told.status is WorkflowStatus.SUSPENDED
    assert "KeyError" in (told.reason or "")


@pytest.mark.parametrize("passivating", [False, True])
def test_the_same_id_is_handled_once_and_answered_each_time(passivating: bool) -> None:
    town = open_rig(passivating=passivating)
    town.send(update("add", "pen"))
    again = town.send(update("add", "other", caller=ELSEWHERE))
    assert not again.recorded
    assert outcome(answer(again)) == 1
    asked = town.send(update("order", "pen", update_id="u-2"))
    town.send(update("order", "pen", update_id="u-2", caller=ELSEWHERE))
    told = town.send(completed(task(asked), to_payload("no. 7")))
    assert [effect.caller for effect in effects(told, UpdateEffect)] == [CALLER, ELSEWHERE]
    assert len(town.events(UpdateAdmitted)) == 2


@pytest.mark.parametrize("name", ["close", "close_and_wait"])
def test_one_that_ends_the_run_is_answered(name: str) -> None:
    town = open_rig()
    told = answer(town.send(update(name)))
    assert told.status is WorkflowStatus.COMPLETED
    assert outcome(told) == ("closed" if name == "close" else [])
    assert outcome(answer(town.send(update(name)))) is not None  # as long as the run is kept


def test_what_is_open_when_the_run_ends_is_answered_with_why() -> None:
    town = open_rig()
    town.send(update("wait"))
    town.send(Suspend())
    town.send(update("add", "pen", update_id="u-2"))
    told = town.send(Terminate())
    kinds = [effect.standing.outcome.failure.type for effect in effects(told, UpdateEffect)]
    assert kinds == ["AcceptedUpdateCompletedWorkflow", "UpdateNotHandled"]


def test_a_closed_run_takes_no_new_one() -> None:
    town = open_rig()
    town.send(update("close"))
    refused = answer(town.send(update("add", "pen", update_id="u-2")))
    assert refused.error is not None
    assert refused.error[0] == "closed"


@pytest.mark.parametrize(("item", "expected"), [("pen", 1), ("", "Nameless")])
def test_one_for_code_that_does_not_run_is_recorded_and_validated_when_it_does(
    item: str, expected: object
) -> None:
    town = open_rig()
    town.send(Suspend())
    asked = answer(town.send(update("add", item)))
    assert (asked.update, asked.status) == (("u-1", "admitted"), WorkflowStatus.SUSPENDED)
    standing = later(town.send(Resume())).standing
    assert standing.outcome is not None
    found = standing.outcome.failure.type if standing.outcome.failure else from_payload(standing.outcome.result)  # type: ignore[arg-type]
    assert found == expected


def test_who_waits_for_acceptance_is_told_of_it_when_the_code_runs() -> None:
    town = open_rig()
    town.send(Suspend())
    town.send(update("order", "pen", wait_for="accepted"))
    assert later(town.send(Resume())).standing.stage == "accepted"


def test_one_that_was_there_before_the_run_began_is_handled_before_its_first_step() -> None:
    code = WorkflowRegistry([])
    town = Rig(code)
    town.start()
    town.send(update("early"))
    town.send(update("add", "", update_id="u-2"))
    code.add(Basket)
    told = town.send(Resume())
    first, second = (effect.standing.outcome for effect in effects(told, UpdateEffect))
    assert from_payload(first.result) == ["early"]
    assert second.failure.type == "Nameless"
    assert from_payload(answer(town.send(update("early", update_id="u-3"))).result) == ["early", "run", "early"]  # type: ignore[arg-type]
    town.reload()
    assert outcome(answer(town.send(update("early", update_id="u-4")))) == ["early", "run", "early", "early"]


def test_a_validator_only_reads() -> None:
    @workflow.defn(name="order")
    class Greedy:
        def __init__(self) -> None:
            self.woken = asyncio.Event()

        @workflow.run
        async def run(self) -> None:
            await self.woken.wait()

        @workflow.update
        def poke(self, how: str) -> str:
            return how

        @poke.validator
        def look(self, how: str) -> None:
            if how == "activity":
                workflow.start_activity("work")
            elif how == "wake":
                self.woken.set()
            workflow.random().random()

    town = Rig(WorkflowRegistry([(Greedy, None)]))
    town.start()
    for how in ("activity", "wake"):
        told = answer(town.send(update("poke", how, update_id=how)))
        assert told.failure is not None
        assert told.failure.type == "ReadOnlyError"
    assert outcome(answer(town.send(update("poke", "look")))) == "look"
    assert town.status() is WorkflowStatus.RUNNING


def test_updates_are_refused_until_they_can_be_stored() -> None:
    town = open_rig()
    town.instance.codec = CODEC.writing(2)
    refused = answer(town.send(update("add", "pen")))
    assert refused.error is not None
    assert "`dalsegno init`" in refused.error[1]


def test_no_more_are_open_at_once_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "OPEN_MAX", 2)
    town = open_rig()
    for number in range(2):
        town.send(update("wait", update_id=f"u-{number}"))
    refused = answer(town.send(update("wait", update_id="u-2")))
    assert refused.error is not None
    assert "2 updates of the run are open" in refused.error[1]


def test_no_more_callers_are_told_of_one_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """With each the outcome is stored once more. The others ask."""
    monkeypatch.setattr(decisions, "AWAITERS_MAX", 2)
    town = open_rig()
    callers = [Caller("replies", f"call-{number}") for number in range(3)]
    asked, *_ = [town.send(update("order", "pen", caller=caller)) for caller in callers]
    told = town.send(completed(task(asked), to_payload("no. 7")))
    assert [effect.caller for effect in effects(told, UpdateEffect)] == callers[:2]
    assert isinstance(answers.awaited(AwaitOutcome(update_id="u-1"), callers[2], town.state), UpdateEffect)


def test_the_oldest_outcomes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "OUTCOMES_MAX", 6)
    monkeypatch.setattr(changes, "OUTCOMES_DROPPED", 3)
    town = open_rig()
    for number in range(9):
        town.send(update("add", "pen", update_id=f"u-{number}"))
    assert list(town.state.update_outcomes) == [f"u-{number}" for number in range(3, 9)]


def test_an_outcome_that_was_long_in_coming_is_not_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited for it would be told that there is no such update, and it would be handled a second time."""
    monkeypatch.setattr(changes, "OUTCOMES_MAX", 3)
    monkeypatch.setattr(changes, "OUTCOMES_DROPPED", 2)
    town = open_rig()
    asked = town.send(update("order", "pen", update_id="long"))
    for number in range(4):
        town.send(update("add", "pen", update_id=f"u-{number}"), after=1)
    town.send(completed(task(asked), to_payload("no. 7")), after=1)
    assert set(town.state.update_outcomes) == {"u-2", "u-3", "long"}


def test_what_is_known_of_many_is_in_the_order_of_their_ids_however_they_came() -> None:
    """The rig compares the bytes of the state with those that the journal leads to."""
    town = open_rig()
    ids = [f"u-{number * 7919 % 700:03}" for number in range(700)]
    for update_id in ids:
        town.instance.activate(update("add", "pen", update_id=update_id), now=1, entropy=bytes(32), held=True)
    assert list(town.state.update_outcomes) == sorted(ids)


def test_who_waits_for_it_is_answered_from_the_state() -> None:
    town = open_rig()
    town.send(update("add", "pen"))
    town.send(update("wait", update_id="u-2"))
    known = answers.awaited(AwaitOutcome(update_id="u-1"), CALLER, town.state)
    assert isinstance(known, UpdateEffect)
    assert known.standing.outcome is not None
    assert answers.awaited(AwaitOutcome(update_id="u-2"), CALLER, town.state) is None
    assert isinstance(
        answers.awaited(AwaitOutcome(update_id="u-2", stage="accepted"), CALLER, town.state), UpdateEffect
    )
    unknown = answers.awaited(AwaitOutcome(update_id="u-3"), CALLER, town.state)
    assert isinstance(unknown, AnswerEffect)
    assert unknown.error is not None
    assert unknown.error[0] == "not_found"


def test_a_scripted_program_takes_them_too() -> None:
    town = Rig(ScriptedCode([[], []]))
    town.start()
    assert answer(town.send(update("any"))).update == ("u-1", "accepted")
    town.send(Signal(name="go"))


@workflow.defn(name="order")
class Signing:
    def __init__(self) -> None:
        self.items: list[str] = []
        self.turns = 0

    @workflow.run
    async def run(self, kept: Kept) -> None:
        self.items = kept.items
        self.turns += 1
        await workflow.wait_condition(lambda: "sign" in self.items)
        self.items.remove("sign")
        workflow.checkpoint(Kept(self.items))

    @workflow.update
    async def add(self, item: str) -> list[str]:
        self.items.append(item)
        if item == "slow":
            await workflow.execute_activity("slow")
        return self.items


@pytest.mark.parametrize("passivating", [False, True])
def test_a_sign_waits_for_handlers_hands_on_what_comes_meanwhile_and_forgets_no_outcome(
    passivating: bool,
) -> None:
    town = Rig(WorkflowRegistry([(Signing, None)]), passivating=passivating)
    town.start(args=(to_payload(Kept()),))
    slow = town.send(update("add", "slow"))
    town.send(update("add", "sign", update_id="u-2"))
    waiting = town.send(update("add", "pen", update_id="u-3"))
    assert answer(waiting).update == ("u-3", "admitted")
    assert town.state.signed.signs == 0
    told = town.send(completed(task(slow), to_payload(None)))
    assert town.state.signed.signs == 1
    found = {effect.standing.update_id: effect.standing.outcome for effect in effects(told, UpdateEffect)}
    assert from_payload(found["u-1"].result) == ["slow"]
    assert from_payload(found["u-3"].result) == ["slow", "pen"]
    assert town.state.update_outcomes.keys() == {"u-1", "u-2", "u-3"}
