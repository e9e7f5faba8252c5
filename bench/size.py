"""What an activation costs when its workflow has much pending: the engine alone, without servers.

script/bench size
script/bench size --pending 100 1000 10000 --signals 30000
"""

from __future__ import annotations

import argparse
import gc
import time
from statistics import median

from msgspec.structs import replace

from bench.meter import calibrate, emit
from dalsegno.actors.supervisor.partition.stored import loading_of
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.snapshots import snapshot_of
from dalsegno.broker.port import Outcome
from dalsegno.cli.logs import configure
from dalsegno.cli.serving import GC_ALLOCATIONS
from dalsegno.persistence.port import LoadedInstance
from tests.partition_ids import FIRST
from tests.supervisor.mail import signal
from tests.supervisor.test_calls_at_any_size import KINDS, Kind, Town, a_signal, town

WARM = 3
TURNS = 12
IN_A_ROUND = 50
SHOWN_EACH = 10_000
LOADS = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench size", description=__doc__.splitlines()[0])
    parser.add_argument("--pending", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--signals", type=int, default=30_000)
    options = parser.parse_args()
    configure("error", "auto")
    for pending in options.pending:
        pending_things(pending)
    signals(options.signals)


def pending_things(pending: int) -> None:
    """Microseconds of CPU for each message, and milliseconds for what is done at once."""
    subject = f"size {pending}"
    begin = time.process_time()
    subject_town = town(pending, woken=False, confirmed=True)
    fan_out = time.process_time() - begin
    figures = {kind.__name__: round(cost(kind, subject_town)) for kind in KINDS}
    emit(subject, "microseconds", calib_ms=round(calibrate(), 1), **figures)
    actor = subject_town.world.engine.partitions[FIRST].actors.peek("w")
    assert actor is not None
    assert actor.instance.state is not None
    begin = time.process_time()
    body = CODEC.encode_state(actor.instance.state)
    whole = time.process_time() - begin
    at_once = {"fan_out": round(fan_out * 1e3), "snapshot_if_it_were_whole": round(whole * 1e3)}
    emit(subject, "milliseconds", snapshot_bytes=len(body), **at_once)
    snapshot = snapshot_of(actor.instance.state, CODEC, trim_to=0)
    row = replace(subject_town.world.database.rows["w"], snapshot=snapshot, journal=())
    for name, value in (("load", row), ("load journal", journal_alone(subject_town))):
        cold_load(f"{subject} {name}", value, actor.instance.code)


def journal_alone(subject: Town) -> LoadedInstance:
    """In the newest format: the world of the tests begins with the first."""
    row = subject.world.database.rows["w"]
    rows = [replace(each, events=CODEC.encode_record(CODEC.decode_record(each.events))) for each in row.journal]
    return replace(row, snapshot=None, journal=tuple(rows))


def cold_load(subject: str, row: LoadedInstance, code: Code) -> None:
    """The longest step of several loads at its shortest, for it is what others wait for; and all steps. The
    collector of cycles is as a host has it."""
    before = gc.get_threshold()
    gc.set_threshold(GC_ALLOCATIONS)
    took = [steps_of(row, code) for _ in range(LOADS)]
    gc.set_threshold(*before)
    figures = {"longest": min(map(max, took)), "all": min(map(sum, took)), "decoded_at_once": decoding(row)}
    in_ms = {name: round(seconds * 1e3, 1) for name, seconds in figures.items()}
    emit(subject, "milliseconds", calib_ms=round(calibrate(), 1), steps=len(took[0]), **in_ms)


def steps_of(row: LoadedInstance, code: Code) -> list[float]:
    gc.collect()
    gc.freeze()
    took: list[float] = []
    loading = loading_of(row, code, history_limit=0)
    loaded: Instance | None = None  # kept, or its end would be timed, too
    while loaded is None:
        begin = time.process_time()
        try:
            next(loading)
        except StopIteration as end:
            loaded = end.value
        took.append(time.process_time() - begin)
    return took


def decoding(row: LoadedInstance) -> float:
    """All of it, in as few calls as there are blobs."""
    took: list[float] = []
    for _ in range(LOADS):
        gc.collect()
        begin = time.process_time()
        if row.snapshot is not None:
            CODEC.decode_state(row.snapshot.body)
        for each in row.journal:
            CODEC.decode_record(each.events)
        took.append(time.process_time() - begin)
    return min(took)


def cost(kind: Kind, subject: Town) -> float:
    """The median turn's."""
    for turn in range(WARM):
        kind(subject, turn)
    gc.collect()
    took: list[float] = []
    for turn in range(WARM, WARM + TURNS):
        begin = time.process_time()
        kind(subject, turn)
        took.append(time.process_time() - begin)
    return median(took) * 1e6


def signals(number: int) -> None:
    """To one instance that has never set a sign, in rounds of many: microseconds each, as they become more."""
    subject = town(1, woken=False, confirmed=True)
    for first in range(0, number, SHOWN_EACH):
        begin = time.process_time()
        for turn in range(first, first + SHOWN_EACH, IN_A_ROUND):
            a_round(subject, turn)
        each = (time.process_time() - begin) / SHOWN_EACH * 1e6
        emit("size signals", "microseconds", up_to=first + SHOWN_EACH, each=round(each))


def a_round(subject: Town, first: int) -> None:
    world = subject.world
    if first == 0:
        a_signal(subject, -1)
    for turn in range(first, first + IN_A_ROUND):
        world.deliver(signal(f"signal {turn}"))
    world.committed()
    published, world.published = world.published, []
    for outgoing in published:
        outgoing.on_outcome(Outcome.CONFIRMED)
    world.sent.clear()
    world.run()


if __name__ == "__main__":
    main()
