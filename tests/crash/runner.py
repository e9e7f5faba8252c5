"""Kills at every point, round after round: the long run. What it finds comes with what it takes to see it
again."""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dalsegno.cli.logs import configure
from tests.crash.crossing import Manner
from tests.crash.point import EMBEDDED, POSTGRES, RABBITMQ, SQLITE, Point, Role
from tests.crash.points import BY_NAME, points_on
from tests.crash.scene import Kill
from tests.crash.stage import Stage
from tests.servers import PostgresServer, RabbitMQServer, fresh_database

KILLS_OF_A_STAGE = 60
"""Then a namespace is looked at as a whole, and another begins: what is wrong is found near to its cause."""
ASKED_SHARE = 0.15
UNTIDIED_SHARE = 0.1
SUPERVISED_SHARE = 0.04


def plan(seed: str, round_: int, point: Point) -> tuple[Kill, random.Random]:
    """The kill of a point in a round, and the chance that decides what is left open. The same each time."""
    chance = random.Random(f"{seed}/{round_}/{point.name}")
    asked = chance.random() < ASKED_SHARE and point.role is not Role.CLIENT and point.may_be_asked
    kill = Kill(
        point=point,
        passing=chance.randint(1, point.most),
        manner=Manner.ASKED_THEN_KILLED if asked else Manner.KILLED,
        tidied=point.role is not Role.HOST or chance.random() >= UNTIDIED_SHARE,
        supervised=point.may_be_supervised and not asked and chance.random() < SUPERVISED_SHARE,
    )
    return kill, chance


@dataclass(slots=True)
class Tally:
    kills: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


@contextmanager
def places(broker: str, database: str) -> Iterator[Callable[[ExitStack], Stage]]:
    """Makes stages on servers of its own."""
    with ExitStack() as servers:
        rabbitmq = servers.enter_context(RabbitMQServer()) if broker == RABBITMQ else None
        postgres = servers.enter_context(PostgresServer()) if database == POSTGRES else None

        def stage(ending: ExitStack) -> Stage:
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-")))
            broker_url, database_url = (
                f"embedded://{folder / 'broker.db'}",
                f"sqlite:///{folder / 'dalsegno.db'}",
            )
            if rabbitmq is not None:
                broker_url = ending.enter_context(rabbitmq.virtual_host())
            if postgres is not None:
                database_url = ending.enter_context(fresh_database(postgres.url))
            hosts = 2 if rabbitmq is not None and postgres is not None else 1
            return Stage(broker=broker_url, database=database_url, folder=folder, hosts=hosts)

        yield stage


class Run:
    """`points` are killed at in each of the rounds `first`, `first` + 1, ..."""

    def __init__(self, seed: str, points: Sequence[Point], *, again: str) -> None:
        self.tally = Tally()
        self._seed = seed
        self._points = points
        self._again = again

    def rounds(self, make: Callable[[ExitStack], Stage], first: int, number: int) -> None:
        todo = [(round_, point) for point in self._points for round_ in range(first, first + number)]
        while todo:
            batch, todo = todo[:KILLS_OF_A_STAGE], todo[KILLS_OF_A_STAGE:]
            self._on_one_stage(make, batch)

    def _on_one_stage(self, make: Callable[[ExitStack], Stage], batch: list[tuple[int, Point]]) -> None:
        """A stage on which something went wrong is not played on: the next begins anew."""
        while batch:
            with ExitStack() as ending:
                stage = ending.enter_context(make(ending))
                is_well = True
                while batch and is_well:
                    is_well = self._one(stage, *batch.pop(0))
                if is_well:
                    wrong = _told(stage.finish)
                    self._note(wrong, "the whole stage; workflow IDs begin with the number of the kill")

    def _one(self, stage: Stage, round_: int, point: Point) -> bool:
        kill, chance = plan(self._seed, round_, point)
        began = time.monotonic()
        wrong = _told(lambda: asyncio.run(stage.kill(kill, chance)))
        self.tally.kills[point.name] += 1
        print(f"round {round_}: {kill}, {time.monotonic() - began:.1f} s", flush=True)
        self._note(wrong, f"{self._again} --seed {self._seed} --first {round_} --rounds 1 --point {point.name}")
        return not wrong

    def _note(self, wrong: list[str], again: str) -> None:
        for text in wrong:
            self.tally.violations.append(text)
            print(f"VIOLATION: {text}", flush=True)
        if wrong:
            print(f"Again: {again}", flush=True)


def _told(check: Callable[[], list[str]]) -> list[str]:
    """What is wrong, be it found or met."""
    try:
        return check()
    except (AssertionError, TimeoutError) as error:
        return [str(error)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it comes with its seed
        return ["".join(traceback.format_exception(error))]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="kills at each point (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first round (default: 0)")
    parser.add_argument("--seed", default=None, help="what is decided by chance (default: another each time)")
    parser.add_argument("--broker", choices=[EMBEDDED, RABBITMQ], default=EMBEDDED)
    parser.add_argument("--database", choices=[SQLITE, POSTGRES], default=SQLITE)
    parser.add_argument("--point", action="append", choices=sorted(BY_NAME), help="only this; may be repeated")
    options = parser.parse_args(arguments)
    seed = options.seed or secrets.token_hex(4)
    points = points_on(options.broker, options.database)
    if options.point:
        points = [point for point in points if point.name in options.point]
    run = Run(seed, points, again=f"script/crash --broker {options.broker} --database {options.database}")
    configure("error")
    began = time.monotonic()
    with places(options.broker, options.database) as make:
        run.rounds(make, options.first, options.rounds)
    tally = run.tally
    for point in points:
        print(f"{point.number:>4} {point.name:20} {tally.kills[point.name]:3} kills")
    print(
        f"seed {seed}: {tally.kills.total()} kills in {time.monotonic() - began:.0f} s, "
        f"{len(tally.violations)} violations"
    )
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
