"""Changes of the code of runs that are open: each goes on as it began."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.interface.commands import Resume, WakeUp
from dalsegno.actors.workflow_actor.patches.intents import TakePatch
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.shown.describe import describe
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.policies import WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, Rig, ScriptedCode, answer, start

Asked = list[workflow.PatchActivationInput]


class Steps:
    """What all versions of the workflow have: a step for each signal that comes."""

    def __init__(self) -> None:
        self.signals = 0
        self.steps: list[str] = []

    @workflow.signal
    def go(self) -> None:
        self.signals += 1

    @workflow.query
    def so_far(self) -> str:
        return " ".join(self.steps)

    async def come(self, number: int) -> None:
        await workflow.wait_condition(lambda: self.signals >= number)


@workflow.defn(name="order")
class Before(Steps):
    @workflow.run
    async def run(self) -> str:
        for number in (1, 2):
            self.steps.append("old")
            await workflow.sleep(number)
            await self.come(number)
        return self.so_far()


@workflow.defn(name="order")
class After(Steps):
    @workflow.run
    async def run(self) -> str:
        for number in (1, 2):
            self.steps.append("new" if workflow.patched("better") else "old")
            if self.steps[-1] == "new":
                await workflow.sleep(100)
            await workflow.sleep(number)
            await self.come(number)
        return self.so_far()


@workflow.defn(name="order")
class Deprecated(Steps):
    @workflow.run
    async def run(self) -> str:
        for number in (1, 2):
            workflow.deprecate_patch("better")
            self.steps.append("new")
            await workflow.sleep(100)
            await workflow.sleep(number)
            await self.come(number)
        return self.so_far()


@workflow.defn(name="order")
class Cleaned(Steps):
    @workflow.run
    async def run(self) -> str:
        for number in (1, 2):
            self.steps.append("new")
            await workflow.sleep(100)
            await workflow.sleep(number)
            await self.come(number)
        return self.so_far()


def rig_of(cls: type, **options: Any) -> Rig:
    return Rig(WorkflowRegistry([(cls, None)], **options))


def deploy(rig: Rig, cls: type, **options: Any) -> None:
    """Another host, with this code, has the workflow from now on."""
    rig.code = WorkflowRegistry([(cls, None)], **options)
    rig.reload()


def go_on(rig: Rig) -> None:
    """A signal comes, and all timers fire."""
    rig.send(Signal(name="go"))
    while rig.state.timers:
        rig.send(WakeUp(), held=False, after=max(0, min(rig.state.timers.values()) - rig.now))


def steps(rig: Rig) -> Any:
    assert rig.state.suspension is None, rig.state.suspension
    outcome = rig.state.outcome
    if outcome is None:
        return from_payload(rig.instance.live.query(rig.state, "so_far", ()))
    assert outcome.result is not None
    return from_payload(outcome.result)


@pytest.mark.parametrize("passivating", [False, True])
def test_a_run_that_came_by_before_goes_on_as_it_began(passivating: bool) -> None:
    rig = rig_of(Before)
    rig.passivating = passivating
    rig.start()
    deploy(rig, After)
    assert steps(rig) == "old"
    go_on(rig)
    assert steps(rig) == "old old"
    go_on(rig)
    assert (steps(rig), rig.state.patches) == ("old old", ())


@pytest.mark.parametrize("passivating", [False, True])
def test_a_run_that_comes_by_now_takes_the_change_and_keeps_it(passivating: bool) -> None:
    rig = rig_of(After)
    rig.passivating = passivating
    rig.start()
    assert (steps(rig), rig.state.patches) == ("new", ("better",))
    go_on(rig)
    go_on(rig)
    assert (steps(rig), rig.state.status) == ("new new", WorkflowStatus.COMPLETED)
    assert describe(rig.state, None, Heartbeats(), wake_at=None)["patches"] == ("better",)


def test_the_question_may_be_deprecated_and_taken_out_under_runs_that_took_it() -> None:
    rig = rig_of(After)
    rig.start()
    deploy(rig, Deprecated)
    go_on(rig)
    deploy(rig, Cleaned)
    assert steps(rig) == "new new"
    go_on(rig)
    assert (steps(rig), rig.state.status) == ("new new", WorkflowStatus.COMPLETED)


def test_a_host_that_asks_is_told_of_a_run_that_began_where_nobody_asked_any_more() -> None:
    """A deployment is taken back."""
    rig = rig_of(Deprecated)
    rig.start()
    deploy(rig, After)
    go_on(rig)
    assert steps(rig) == "new new"


def test_a_step_that_fails_takes_no_patch_and_one_that_is_tried_again_does() -> None:
    asked: Asked = []

    def activates(asking: workflow.PatchActivationInput) -> bool:
        asked.append(asking)
        if len(asked) == 1:
            raise RuntimeError("the flags are away")
        return True

    rig = rig_of(After, patch_activation_callback=activates)
    rig.start()
    assert rig.state.suspension is not None
    assert "the flags are away" in rig.state.suspension.reason
    assert rig.state.patches == ()
    rig.send(Resume())
    assert (steps(rig), rig.state.patches) == ("new", ("better",))
    assert [(one.patch_id, one.workflow_info.workflow_type) for one in asked] == [("better", "order")] * 2


@pytest.mark.parametrize("passivating", [False, True])
def test_what_the_host_did_not_want_yet_is_not_asked_again_and_never_comes(passivating: bool) -> None:
    rig = rig_of(After, patch_activation_callback=lambda _: False)
    rig.passivating = passivating
    rig.start()
    deploy(rig, After)  # a host that wants it
    go_on(rig)
    assert (steps(rig), rig.state.patches) == ("old old", ())


def test_the_host_is_asked_once_and_never_of_what_was_taken() -> None:
    asked: Asked = []
    rig = rig_of(After, patch_activation_callback=lambda asking: asked.append(asking) or True)
    rig.start()
    go_on(rig)
    assert len(asked) == 1
    deploy(rig, After, patch_activation_callback=lambda asking: asked.append(asking) or False)
    go_on(rig)
    assert (steps(rig), len(asked)) == ("new new", 1)


def test_a_callback_that_says_neither_yes_nor_no_is_told_and_one_that_is_none_is_refused() -> None:
    rig = rig_of(After, patch_activation_callback=lambda _: "yes")
    rig.start()
    assert rig.state.suspension is not None
    assert "must return True or False, and returned 'yes' for patch 'better'" in rig.state.suspension.reason
    with pytest.raises(TypeError, match="patch_activation_callback must be a function"):
        WorkflowRegistry([], patch_activation_callback="yes")  # type: ignore[arg-type]


def flags_are_late(_: workflow.PatchActivationInput) -> bool:
    raise TimeoutError("the flags are late")


@workflow.defn(name="asks")
class Asks:
    def __init__(self) -> None:
        self.went = False
        self.drawn: list[str] = []

    @workflow.run
    async def run(self) -> None:
        workflow.patched("p")
        self.drawn += [str(workflow.uuid4()), str(workflow.random().random())]
        await workflow.wait_condition(lambda: self.went)

    @workflow.signal
    def go(self) -> None: ...

    @workflow.query
    def so_far(self) -> list[str]:
        return self.drawn


@workflow.defn(name="asks")
class AsksCarefully(Asks):
    @workflow.run
    async def run(self) -> None:
        try:
            await super().run()
        except TimeoutError:
            await workflow.sleep(1)


@pytest.mark.parametrize("cls", [Asks, AsksCarefully])
def test_what_the_callback_raises_suspends_whatever_it_means_elsewhere_and_though_code_catches_it(
    cls: type,
) -> None:
    rig = rig_of(cls, patch_activation_callback=flags_are_late)
    rig.start(workflow_type="asks")
    assert rig.state.suspension is not None
    assert "the flags are late" in rig.state.suspension.reason
    deploy(rig, cls)
    rig.send(Resume())
    assert (rig.state.suspension, rig.state.patches) == (None, ("p",))


def test_what_the_callback_draws_is_drawn_again_by_code_that_comes_behind() -> None:
    def draws(_: workflow.PatchActivationInput) -> bool:
        return bool(workflow.uuid4()) and workflow.random().random() < 2

    rig = rig_of(Asks, patch_activation_callback=draws)
    rig.start(workflow_type="asks")
    assert rig.state.patches == ("p",)
    drawn = rig.instance.live.query(rig.state, "so_far", ())
    rig.reload()
    assert rig.instance.live.query(rig.state, "so_far", ()) == drawn


def test_the_callback_only_reads() -> None:
    def begins(_: workflow.PatchActivationInput) -> bool:
        workflow.start_activity("look")
        return True

    rig = rig_of(Asks, patch_activation_callback=begins)
    rig.start(workflow_type="asks")
    assert rig.state.suspension is not None
    assert "in the patch activation callback, which may only read" in rig.state.suspension.reason


@dataclass
class Signed:
    number: int = 0


class Signing:
    answers: ClassVar[list[tuple[int, bool]]]

    @workflow.signal
    def go(self) -> None:
        self.went = True

    def __init__(self) -> None:
        self.went = False


@workflow.defn(name="signs")
class SignsBefore(Signing):
    @workflow.run
    async def run(self, state: Signed) -> None:
        await workflow.wait_condition(lambda: self.went)
        workflow.checkpoint(Signed(state.number + 1))


@workflow.defn(name="signs")
class SignsAfter(Signing):
    answers: ClassVar[list[tuple[int, bool]]] = []

    @workflow.run
    async def run(self, state: Signed) -> None:
        self.answers.append((state.number, workflow.patched("p")))
        await workflow.wait_condition(lambda: self.went)
        workflow.checkpoint(Signed(state.number + 1))


@pytest.mark.parametrize("passivating", [False, True])
def test_behind_a_sign_it_is_asked_anew_and_what_was_taken_stays(passivating: bool) -> None:
    SignsAfter.answers.clear()
    rig = rig_of(SignsBefore)
    rig.passivating = passivating
    rig.start(workflow_type="signs", args=(to_payload(Signed()),))
    deploy(rig, SignsAfter)
    for _ in range(3):
        rig.send(Signal(name="go"))
    assert rig.state.signed.signs == 3
    assert set(SignsAfter.answers) == {(0, False), (1, True), (2, True), (3, True)}
    assert rig.state.patches == ("p",)


def test_the_next_run_asks_anew() -> None:
    rig = Rig(ScriptedCode([[TakePatch(patch_id="p"), ContinueAsNew(args=())]]))
    rig.send_all(start())
    assert rig.state.info.continued_run_id == "run-1"
    assert rig.state.patches == ()


@workflow.defn(name="reads")
class Reads:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.query
    def asks(self) -> bool:
        return workflow.patched("p")


def test_a_query_only_reads() -> None:
    rig = rig_of(Reads)
    rig.start(workflow_type="reads")
    reply = rig.send(Query(name="asks", caller=CALLER), held=False)
    assert "workflow.patched" in answer(reply).error[1]
    assert rig.state.patches == ()


@pytest.mark.parametrize(
    ("patch_id", "error"),
    [(7, "The id of a patch must be a text"), ("", "The id of a patch"), ("x" * 300, "The id of a patch")],
)
def test_a_patch_without_a_name_is_refused(patch_id: Any, error: str) -> None:
    @workflow.defn(name="odd")
    class Odd:
        @workflow.run
        async def run(self) -> None:
            workflow.patched(patch_id)

    rig = rig_of(Odd)
    rig.start(workflow_type="odd")
    assert rig.state.suspension is not None
    assert error in rig.state.suspension.reason


def test_there_is_an_end_of_patches_though_code_catches_that() -> None:
    @workflow.defn(name="many")
    class Many:
        @workflow.run
        async def run(self) -> None:
            with suppress(ValueError):
                for number in range(1_001):
                    workflow.patched(f"order-{number}")

    rig = rig_of(Many)
    rig.start(workflow_type="many")
    assert rig.state.suspension is not None
    assert "a run may have 1,000 patches, and 'order-1000' is one more" in rig.state.suspension.reason


def test_code_that_takes_one_is_suspended_while_no_format_has_a_place_for_it() -> None:
    rig = Rig(ScriptedCode([[TakePatch(patch_id="p")]]))
    rig.instance.codec = CODEC.writing(2)
    rig.start()
    assert rig.state.suspension is not None
    assert "a patch, headers): replace all hosts of older versions" in rig.state.suspension.reason
