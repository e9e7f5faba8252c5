"""Signs begin the log anew; snapshots keep recovery short and what is written linear."""

from __future__ import annotations

from itertools import pairwise

from dalsegno.actors.workflow_actor.activities.intents import CancelActivity
from dalsegno.actors.workflow_actor.interface.commands import Resume, Suspend, Terminate
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.run.events import Ran, SignSet
from dalsegno.actors.workflow_actor.run.inputs import Begin, SignedState
from dalsegno.actors.workflow_actor.run.intents import SetSign
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.snapshots import ACTIVATIONS_MIN, checksum
from tests.workflow_actor.rig import (
    CALLER,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    activity,
    answer,
    completed,
    payload,
    sign,
    task,
    timer,
)


def test_a_sign_empties_the_log_and_what_follows_it_belongs_to_the_new_beginning() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [sign('{"n": 1}'), activity(2)], []]))
    first = task(rig.start())

    signed = rig.send(completed(first), after=SECOND)

    assert [entry.input for entry in rig.state.log] == [Begin()]
    (entry,) = rig.state.log
    assert entry.time == T0 + SECOND
    assert entry.wanted == ("activity 2 charge",)
    assert rig.state.signed == SignedState(state=payload('{"n": 1}'), signs=1)
    assert task(signed).activity_id == "2"
    assert rig.instance.sequence == 2


def test_a_program_comes_back_from_its_sign() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [sign(), activity(2)], [], []]))
    rig.send(completed(task(rig.start())))
    rig.reload()

    rig.send(Signal(name="a"))

    assert rig.programs_seen == [Begin(), Signaled(name="a")]
    assert isinstance(rig.code, ScriptedCode)
    assert rig.code.built[-1].seen[0][2], "the beginning is a replay"


def test_the_live_program_goes_on_behind_its_sign() -> None:
    rig = Rig(ScriptedCode([[], [sign()], [], []]))
    rig.start()
    rig.send(Signal(name="a"))
    rig.send(Signal(name="b"))
    assert isinstance(rig.code, ScriptedCode)
    assert len(rig.code.built) == 1
    assert answer(rig.send(Query(name="q", caller=CALLER))).result == payload('["q", 3]')


def test_only_the_last_sign_of_a_step_is_written() -> None:
    signs = [SetSign(signed=SignedState(state=payload(str(n)), signs=n)) for n in range(1, 6)]
    code = ScriptedCode([[timer(1, T0), *signs, timer(2, T0 + SECOND)]])
    rig = Rig(code)
    rig.start()
    (ran,) = rig.events(Ran)
    assert [want.signed.signs for want in ran.wants if isinstance(want, SignSet)] == [5]
    assert ran.digests == ("timer 2",)
    assert sorted(rig.state.timers) == [1, 2]
    rig.reload()
    rig.send(Query(name="q", caller=CALLER))


def test_inputs_that_were_not_run_yet_stay_behind_the_sign() -> None:
    rig = Rig(ScriptedCode([[], [sign(), timer(1, T0 + 9 * SECOND)], [], []]))
    rig.start()
    rig.send(Suspend())
    for name in "abc":
        rig.send(Signal(name=name), after=SECOND)

    rig.send(Resume())

    assert [(entry.input, entry.time) for entry in rig.state.log] == [
        (Begin(), T0 + SECOND),
        (Signaled(name="b"), T0 + 2 * SECOND),
        (Signaled(name="c"), T0 + 3 * SECOND),
    ]
    assert rig.state.processed == 3


def test_what_goes_on_beside_the_code_survives_a_sign() -> None:
    abandoned = activity(1, cancellation_type="abandon")
    rig = Rig(ScriptedCode([[abandoned], [CancelActivity(number=1), sign()], []]))
    sent = task(rig.start())
    rig.send(Signal(name="a"))
    assert list(rig.state.activities) == [1]
    assert rig.send(completed(sent)).recorded
    assert rig.state.activities == {}


def test_a_snapshot_is_written_at_each_sign_and_replaces_the_journal_behind_it() -> None:
    rig = Rig(ScriptedCode([[], [sign()], []]), history_limit=1)
    rig.start()

    due = rig.send(Signal(name="a")).snapshot

    assert due is not None
    assert (due.run_id, due.sequence, due.format, due.trim_to) == ("run-1", 2, CODEC.newest, 1)
    assert due.body == CODEC.encode_state(rig.state)
    assert due.checksum == checksum(due.body, "run-1", 2)
    assert rig.send(Signal(name="b")).snapshot is None


def test_history_is_kept_up_to_its_limit() -> None:
    steps = [[], *([SetSign(signed=SignedState(signs=n))] for n in range(1, 8))]
    rig = Rig(ScriptedCode(steps), history_limit=5)
    rig.start()
    trims = [due.trim_to for _ in range(7) if (due := rig.send(Signal(name="a")).snapshot) is not None]
    assert trims == [0, 0, 0, 0, 1, 2, 3]


def test_without_signs_snapshots_come_when_the_journal_has_grown_as_large() -> None:
    rig = Rig(ScriptedCode([]))
    rig.start()
    written: list[tuple[int, int]] = []
    journal = 0
    for _ in range(3000):
        activation = rig.instance.activate(
            Signal(name="a", args=(payload("x" * 50),)), now=T0, entropy=bytes(32), held=True
        )[0]
        journal += len(activation.events)
        if activation.snapshot is not None:
            written.append((activation.sequence, len(activation.snapshot.body)))

    assert written[0][0] >= ACTIVATIONS_MIN
    assert all(after - before >= ACTIVATIONS_MIN for (before, _), (after, _) in pairwise(written))
    assert sum(size for _, size in written) < 3 * journal
    assert 3 <= len(written) <= 12


def test_the_count_towards_the_next_snapshot_survives_a_load() -> None:
    rig = Rig(ScriptedCode([]), passivating=True)
    rig.start()
    sequences = [
        activation.sequence
        for _ in range(ACTIVATIONS_MIN + 5)
        if (activation := rig.send(Signal(name="a"))).snapshot is not None
    ]
    assert sequences == [ACTIVATIONS_MIN]


def test_a_new_run_counts_anew() -> None:
    code = ScriptedCode([])
    rig = Rig(code)
    rig.start()
    for _ in range(ACTIVATIONS_MIN - 5):
        rig.send(Signal(name="a"))
    rig.send(Terminate())
    rig.start("run-2")
    assert all(rig.send(Signal(name="a")).snapshot is None for _ in range(10))
