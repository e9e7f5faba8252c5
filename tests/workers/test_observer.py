from __future__ import annotations

from dalsegno import activity
from tests.noted import Noted
from tests.workers.conftest import running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker


async def test_each_attempt_is_told_at_its_beginning_and_at_its_end(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    @activity.defn
    async def halve(number: int) -> float:
        if number % 2:
            raise ValueError(number)
        return number / 2

    @activity.defn
    def rest() -> None: ...

    noted = Noted()
    async with running(fake, halve, rest, observer=noted):
        for attempt, number in ((1, 3), (2, 4)):
            await fake_engine.ended(await fake_engine.schedule("halve", number, attempt=attempt))
        await fake_engine.ended(await fake_engine.schedule("rest"))
        await fake_engine.ended(await fake_engine.schedule("unknown"))
    assert [told[:3] for told in noted.all] == [
        ("attempt_begun", "halve", 1),
        ("attempt_ended", "halve", "failed"),
        ("attempt_begun", "halve", 2),
        ("attempt_ended", "halve", "completed"),
        ("attempt_begun", "rest", 1),
        ("attempt_ended", "rest", "completed"),
        ("attempt_ended", "unknown", "failed"),
    ]
    assert all(told[3] >= 0 for told in noted.of("attempt_ended"))
