"""What is missing of the namespace is declared until it is there, and whoever consumes is told that it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from dalsegno.actors.supervisor.connection import namespace_keeper
from dalsegno.actors.supervisor.connection.namespace_keeper import NamespaceKeeper
from dalsegno.actors.supervisor.failing.state_log import StateLog
from dalsegno.broker.port import Session
from dalsegno.errors import TopologyError
from tests.broker.witness import eventually

FIRST_SESSION, NEXT_SESSION = cast("Session", "first"), cast("Session", "next")


def nothing() -> None: ...


class Namespace:
    """With the keeper of it. `failing` declarations fail; `amid` is done in the middle of the next one."""

    def __init__(self) -> None:
        self.session: Session | None = FIRST_SESSION
        self.declarations: list[Session] = []
        self.failing = 0
        self.amid: Callable[[], object] = nothing
        self.told = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.keeper = NamespaceKeeper(
            self._declare, session=lambda: self.session, declared=self._tell, said=StateLog(), spawn=self._spawn
        )

    def _spawn(self, coroutine: object) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(coroutine))  # type: ignore[arg-type]
        return self.tasks[-1]

    def _tell(self) -> None:
        self.told += 1

    async def _declare(self, session: Session) -> None:
        self.declarations.append(session)
        amid, self.amid = self.amid, nothing
        amid()
        await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            raise TopologyError("no queue 'dalsegno.partition.1.4'")

    async def until_at_rest(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self.tasks), 10)


@pytest.fixture
async def namespace(monkeypatch: pytest.MonkeyPatch) -> Namespace:
    monkeypatch.setattr(namespace_keeper, "PAUSE_SECONDS", (0.001, 0.002))
    return Namespace()


async def test_a_new_session_that_misses_nothing_tells_nobody(namespace: Namespace) -> None:
    await namespace.keeper.declare(FIRST_SESSION)
    assert (namespace.declarations, namespace.told) == ([FIRST_SESSION], 0)


async def test_many_who_miss_something_are_helped_by_one_declaration(namespace: Namespace) -> None:
    for _ in range(3):
        namespace.keeper.mend()
    await namespace.until_at_rest()
    assert (len(namespace.declarations), namespace.told) == (1, 1)


async def test_a_declaration_that_fails_is_tried_again_though_nobody_asks_again(namespace: Namespace) -> None:
    """Another host may have declared what was missing here, and the one who asked goes on; but a consumer that
    lost its queue and was not told of it is given nothing until all are rebuilt."""
    namespace.failing = 2
    namespace.keeper.mend()
    await namespace.until_at_rest()
    assert (len(namespace.declarations), namespace.told) == (3, 1)


async def test_what_is_missed_amid_a_declaration_is_declared_by_another(namespace: Namespace) -> None:
    namespace.amid = namespace.keeper.mend
    namespace.keeper.mend()
    await namespace.until_at_rest()
    assert (len(namespace.declarations), namespace.told) == (2, 2)


async def test_the_next_session_declares_what_was_missed_and_tells(namespace: Namespace) -> None:
    namespace.session = None
    namespace.keeper.mend()
    await namespace.keeper.declare(NEXT_SESSION)
    assert namespace.told == 1
    await namespace.until_at_rest()
    assert (namespace.declarations, namespace.told) == ([NEXT_SESSION], 1)


async def test_what_the_next_session_fails_to_declare_the_one_after_declares(
    namespace: Namespace,
) -> None:
    namespace.session = None
    namespace.keeper.mend()
    namespace.failing = 1
    with pytest.raises(TopologyError):
        await namespace.keeper.declare(FIRST_SESSION)
    namespace.session = NEXT_SESSION
    await eventually(lambda: namespace.told == 1, "it is told")
    await namespace.until_at_rest()
    assert namespace.declarations == [FIRST_SESSION, NEXT_SESSION]
