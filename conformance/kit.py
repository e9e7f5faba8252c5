"""Asks a worker all points, those that can be asked at a time together, and says how it stands with each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dalsegno.conformance.point import ContractPoint, Level, NotMetError
from dalsegno.conformance.points import POINTS
from dalsegno.conformance.trial import Trial


@dataclass(frozen=True, slots=True)
class Judgement:
    """`trouble` is what came instead, in a sentence; there is none where the point is met."""

    point: ContractPoint
    trouble: str | None

    @property
    def fails(self) -> bool:
        """Whether the worker breaks the contract. A point that it only should meet is a warning."""
        return self.trouble is not None and self.point.level is Level.MUST


class Kit:
    def __init__(self, trial: Trial, points: Iterable[ContractPoint] = POINTS) -> None:
        self._trial = trial
        self._points = list(points)

    async def run(self, on_verdict: Callable[[Judgement], None] = lambda verdict: None) -> list[Judgement]:
        """In the order of the points, those that are alone last; each is told as soon as it is known.
        BrokerUnavailableError when the trial's own connection is lost."""
        asking = asyncio.ensure_future(self._ask_all(on_verdict))
        losing = asyncio.ensure_future(self._trial.until_lost())
        try:
            await asyncio.wait((asking, losing), return_when=asyncio.FIRST_COMPLETED)
            if losing.done():
                losing.result()
            return asking.result()
        finally:
            for task in (asking, losing):
                task.cancel()
            await asyncio.gather(asking, losing, return_exceptions=True)

    async def _ask_all(self, on_verdict: Callable[[Judgement], None]) -> list[Judgement]:
        async def ask(point: ContractPoint) -> Judgement:
            try:
                await point.ask(self._trial)
                verdict = Judgement(point, None)
            except NotMetError as error:
                verdict = Judgement(point, str(error))
            on_verdict(verdict)
            return verdict

        together = [point for point in self._points if not point.alone]
        verdicts = list(await asyncio.gather(*map(ask, together)))
        for point in self._points:
            if point.alone:
                verdicts.append(await ask(point))
        return verdicts
