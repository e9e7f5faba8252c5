"""`ping` says whether work can go on, not only whether somebody answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dalsegno.cli import cluster
from dalsegno.cli.failures import UNAVAILABLE, exit_code_of
from dalsegno.client import NoAnswerError, Pong
from dalsegno.errors import StoreUnavailableError


class Namespace:
    """A client of hosts that answer what needs no database, and the rest if there is one."""

    def __init__(self, *, has_database: bool) -> None:
        self._has_database = has_database

    async def ping(self) -> Pong:
        return Pong("host-1", "1.0")

    async def hosts(self) -> tuple[Any, ...]:
        if not self._has_database:
            raise NoAnswerError("No host answered.")
        return ()


@pytest.fixture
def there_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[Namespace], None]:
    def be(namespace: Namespace) -> None:
        def ask(broker: str, timeout: float, question: Callable[[Any], Awaitable[Any]]) -> Any:
            async def asked() -> Any:
                return await question(namespace)

            return asyncio.run(asked())

        monkeypatch.setattr(cluster, "ask", ask)

    return be


def test_a_host_that_reads_its_database_is_well(
    there_is: Callable[[Namespace], None], capsys: pytest.CaptureFixture[str]
) -> None:
    there_is(Namespace(has_database=True))

    cluster.ping("amqp://", 5.0, as_json=False)

    assert capsys.readouterr().out == "host host-1 answers (dalsegno 1.0)\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_host_without_its_database_answers_and_is_not_well(
    as_json: bool, there_is: Callable[[Namespace], None], capsys: pytest.CaptureFixture[str]
) -> None:
    there_is(Namespace(has_database=False))

    with pytest.raises(StoreUnavailableError, match="Host host-1 answers, but no host could read") as caught:
        cluster.ping("amqp://", 5.0, as_json=as_json)

    assert exit_code_of(caught.value) == UNAVAILABLE
    out = capsys.readouterr().out
    assert not out if not as_json else json.loads(out)["database"] is False
