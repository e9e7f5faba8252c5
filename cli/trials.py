"""What `dalsegno conformance worker` does: one trial of the worker on a task queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from dalsegno.broker.url import open_broker
from dalsegno.cli.logs import configure
from dalsegno.conformance import POINTS, ContractPoint, Judgement, Kit, Trial, TrialPatience
from dalsegno.errors import ConfigurationError
from dalsegno.name_rules import why_not_task_queue


def selected(names: Sequence[str] | None) -> list[ContractPoint]:
    """Those points, or all. ConfigurationError for a name that there is none of."""
    known = {point.name: point for point in POINTS}
    for name in names or ():
        if name not in known:
            raise ConfigurationError(f"There is no point {name!r}; there are: {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(names)] if names else list(POINTS)


def tried(
    broker: str,
    task_queue: str,
    *,
    content_type: str,
    points: Sequence[ContractPoint],
    patience: float,
    on_verdict: Callable[[Judgement], None],
) -> list[Judgement]:
    """Raises ConfigurationError where nobody serves the task queue or a host serves the virtual host, and
    BrokerUnavailableError."""
    configure("error")
    if why := why_not_task_queue(task_queue):
        raise ConfigurationError(f"The task queue {task_queue!r} {why}.")

    async def main() -> list[Judgement]:
        trial = Trial(
            open_broker(broker), task_queue, content_type=content_type, patience=TrialPatience(answer=patience)
        )
        async with trial:
            return await Kit(trial, points).run(on_verdict)

    return asyncio.run(main())
