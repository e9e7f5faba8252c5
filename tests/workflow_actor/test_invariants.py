"""What holds whatever programs want and whatever the world does."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno.actors.workflow_actor.activities.activity import Phase
from dalsegno.actors.workflow_actor.activities.due import next_obligation
from dalsegno.actors.workflow_actor.activities.events import ActivityCompleted, ActivityFailed
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.events import EffectsDropped, EffectsParked, Event, RunClosed, Suspended
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed
from dalsegno.payload import Payload
from tests.default_converter import to_payload
from tests.workflow_actor.program.random_programs import RandomProgram, make_tree
from tests.workflow_actor.rig import T0
from tests.workflow_actor.wild import OPS, Op, WildCode, World

SEEDS = st.integers(0, 2**32)
OPERATIONS = st.lists(st.tuples(st.integers(0, OPS - 1), st.integers(0, 2**16)), max_size=80)
FIRST: list[Op] = [(10, 1)]
"""A start that is not refused."""


@settings(deadline=None, max_examples=150)
@given(SEEDS, OPERATIONS)
def test_whatever_happens_a_run_keeps_its_promises(seed: int, operations: list[Op]) -> None:
    world = World(WildCode(seed))
    for operation in FIRST + operations:
        world.do(operation)
        check(world)


@settings(deadline=None, max_examples=100)
@given(SEEDS, OPERATIONS)
def test_an_instance_that_is_put_away_after_every_activation_does_the_same(
    seed: int, operations: list[Op]
) -> None:
    """But for confirms and heartbeats: what a process saw of them it may forget."""
    stays = World(WildCode(seed), remembering=False)
    leaves = World(WildCode(seed), remembering=False, passivating=True)
    assert_same(stays, leaves, FIRST + operations)


@settings(deadline=None, max_examples=30)
@given(SEEDS, OPERATIONS)
def test_real_code_made_at_random_keeps_its_promises_live_and_passivated(
    seed: int, operations: list[Op]
) -> None:
    tree = to_payload(make_tree(Random(seed)))
    code = WorkflowRegistry([(RandomProgram, None)])
    stays, leaves = real(code, tree, passivating=False), real(code, tree, passivating=True)
    assert_same(stays, leaves, FIRST + operations)
    check(stays)
    assert not any(isinstance(event, Suspended) and event.kind == "nondeterminism" for event in told(leaves))
    assert not any(isinstance(event, Suspended) and event.kind == "bug" for event in told(leaves))
    for world in (stays, leaves):
        world.rig.instance.live.forget()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_a_long_life_keeps_its_promises(seed: int) -> None:
    source = Random(seed)
    operations = FIRST + [(source.randrange(OPS), source.randrange(2**16)) for _ in range(400)]
    world = World(WildCode(seed))
    for operation in operations:
        world.do(operation)
        check(world)
    stays = World(WildCode(seed), remembering=False)
    leaves = World(WildCode(seed), remembering=False, passivating=True)
    assert_same(stays, leaves, operations)
    code = WorkflowRegistry([(RandomProgram, None)])
    tree = to_payload(make_tree(source))
    stays, leaves = real(code, tree, passivating=False), real(code, tree, passivating=True)
    assert_same(stays, leaves, operations)
    for world in (stays, leaves):
        world.rig.instance.live.forget()


def real(code: WorkflowRegistry, tree: Payload, *, passivating: bool) -> World:
    (name,) = code.types
    return World(
        code,
        remembering=False,
        passivating=passivating,
        args=(tree,),
        workflow_types=(name, name),
        signals=("poke",),
    )


def told(world: World) -> list[Event]:
    return [event for events in world.rig.history.values() for event in events]


def assert_same(stays: World, leaves: World, operations: list[Op]) -> None:
    for operation in operations:
        stays.do(operation)
        leaves.do(operation)
    assert leaves.written == stays.written
    assert leaves.rig.instance.wake_at == stays.rig.instance.wake_at
    assert leaves.rig.instance.outstanding() == stays.rig.instance.outstanding()


def check(world: World) -> None:
    state = world.rig.instance.state
    if state is None:
        return
    check_history(world)
    check_rest(state)
    check_outstanding(world, state)
    assert world.rig.instance.wake_at == earliest(world, state)


def check_history(world: World) -> None:
    """One end, nothing after it; each activity and timer is told of once."""
    for events in world.rig.history.values():
        ends = [place for place, event in enumerate(events) if isinstance(event, RunClosed)]
        assert len(ends) <= 1
        if ends:
            assert all(isinstance(event, EffectsParked | EffectsDropped) for event in events[ends[0] + 1 :])
        settled = Counter(e.number for e in events if isinstance(e, ActivityCompleted | ActivityFailed))
        fired = Counter(e.number for e in events if isinstance(e, TimerElapsed))
        assert max((settled | fired).values(), default=0) <= 1


def check_rest(state: WorkflowState) -> None:
    """Between activations nothing that may run is left to run."""
    assert not state.has_backlog
    assert state.processed <= len(state.log)
    assert all(entry.wanted is not None for entry in list(state.log)[: state.processed])
    assert all(entry.wanted is None for entry in list(state.log)[state.processed :])
    if state.is_closed:
        assert state.activities == {}
        assert state.timers == {}


def check_outstanding(world: World, state: WorkflowState) -> None:
    """Nothing that has to be sent is lost."""
    run_id = state.info.run_id
    for activity in state.activities.values():
        match activity.phase:
            case Phase.SCHEDULED:
                (sent,) = activity.sends
                assert sent in state.outstanding or (run_id, sent) in world.confirmed
            case Phase.STARTED:
                assert activity.worker is not None
            case Phase.BACKING_OFF:
                assert activity.retry_at is not None
    held = {(run_id, effect) for effect in state.outstanding}
    held |= {(entry.run_id, entry.effect) for entry in state.earlier}
    recent = state.time - 24 * 3600 * 1_000_000 < T0
    assert not recent or world.results <= held | world.confirmed | world.given_up
    assert list(state.outstanding) == sorted(state.outstanding)


def earliest(world: World, state: WorkflowState) -> int | None:
    """`wake_at`, found by looking at everything."""
    heartbeats = world.rig.instance.heartbeats
    times: list[int | None] = [entry.resend_at for entry in state.outstanding.values() if not entry.held]
    times += [entry.outstanding.resend_at for entry in state.earlier if not entry.outstanding.held]
    if not state.is_closed:
        times += [state.continue_at, state.deadline, *state.timers.values()]
        for activity in state.activities.values():
            times.append(next_obligation(activity, alive_at=heartbeats.alive_at(activity))[0])
    if (suspension := state.suspension) is not None:
        other = suspension.kind != "operator" and suspension.fingerprint != world.rig.instance.fingerprint
        times.append(state.time if other else world.rig.instance.retry_at)
    return min((at for at in times if at is not None), default=None)
