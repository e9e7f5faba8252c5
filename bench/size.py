"""What an activation costs when its workflow has much pending: the engine alone, without servers.

script/bench size
script/bench size --pending 100 1000 10000 --signals 30000
"""

from __future__ import annotations

import argparse
import gc
import time
from statistics import median

from bench.meter import calibrate, emit
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.port import Outcome
from dalsegno.cli.logs import configure
from tests.partition_ids import FIRST
from tests.supervisor.mail import signal
from tests.supervisor.test_calls_at_any_size import KINDS, Kind, Town, a_signal, town

WARM = 3
TURNS = 12
IN_A_ROUND = 50
SHOWN_EACH = 10_000


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
