"""`dalsegno activity ...`: telling an engine how an activity ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from dalsegno.cli.asking import ask
from dalsegno.client import AsyncActivityHandle, Client
from dalsegno.data_converter import DataConverter


class Named(NamedTuple):
    """The activity that is meant."""

    workflow_id: str
    run_id: str | None
    activity_id: str


def tell(
    broker: str,
    timeout: float,
    named: Named,
    word: Callable[[AsyncActivityHandle], Awaitable[None]],
    converter: DataConverter = DataConverter.default,
) -> None:
    async def question(client: Client) -> None:
        await word(client.get_async_activity_handle(**named._asdict()))

    ask(broker, timeout, question, converter)
