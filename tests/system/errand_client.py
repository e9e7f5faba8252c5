"""A client that keeps errands and watches going, as a process of its own so that it can be of any release.

    python -m tests.system.errand_client BROKER NAME DIARY [CONVERTER]

CONVERTER is the name of one in `switched_on`, whose interceptors it has then, too.
It says "ready: " when it begins, enters into the file DIARY what was confirmed to it, begins nothing more after
SIGTERM, and ends by itself when all that it began has ended. An error ends it at once, with a traceback.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from itertools import count, cycle
from pathlib import Path
from typing import Any

from dalsegno import Client, WorkflowFailedError
from tests.system.errands import LAST, Errand, Plan, Report, Watch

AT_ONCE = 5
WATCHES = 5
PATIENCE_SECONDS = 180.0
"""For a request: longer than any outage of the tests."""
WATCHED_EVERY_SECONDS = 0.5

PLANS = [
    Plan(notes=3),
    Plan(notes=1, thorough=True),
    Plan(notes=0, pause=1.5),
    Plan(notes=2, fails=True),
]


class ErrandClient:
    def __init__(self, name: str, diary: Path, **options: Any) -> None:
        self._name = name
        self._diary = diary
        self._options = options
        self._ending = asyncio.Event()
        self._number = count()
        self._plans = cycle(PLANS)

    def end(self) -> None:
        self._ending.set()

    def _enter(self, **entry: Any) -> None:
        with self._diary.open("a") as diary:
            diary.write(json.dumps(entry) + "\n")

    async def keep_going(self, broker: str) -> None:
        connecting = Client.connect(broker, timeout=PATIENCE_SECONDS, **self._options)
        async with connecting as client, asyncio.TaskGroup() as going:
            for _ in range(AT_ONCE):
                going.create_task(self._errands(client))
            for number in range(WATCHES):
                going.create_task(self._watch(client, f"watch-{self._name}-{number}"))
            print(f"ready: {self._name}", flush=True)

    async def _errands(self, client: Client) -> None:
        while not self._ending.is_set():
            number, plan = next(self._number), next(self._plans)
            name = f"errand-{self._name}-{number}"
            handle = await client.start(Errand.run, plan, id=name)
            self._enter(started=name, plan=PLANS.index(plan))
            for note in range(plan.notes):
                await handle.signal(Errand.note, note)
                self._enter(signalled=name, note=note)
            if plan.notes:
                await handle.query(Errand.notes)
            try:
                report = await handle.result(timeout=PATIENCE_SECONDS)
                self._enter(ended=name, status="completed", **_plain(report))
            except WorkflowFailedError as error:
                cause = error.__cause__
                self._enter(ended=name, status="failed", message=str(cause), **_details(cause))

    async def _watch(self, client: Client, name: str) -> None:
        handle = await client.start(Watch.run, Report(), id=name)
        self._enter(started=name, plan=None)
        for note in count():
            if self._ending.is_set():
                break
            await handle.signal(Watch.note, note)
            self._enter(signalled=name, note=note)
            await handle.query(Watch.heard_of)
            await asyncio.sleep(WATCHED_EVERY_SECONDS)
        await handle.signal(Watch.note, LAST)
        report = await handle.result(timeout=PATIENCE_SECONDS)
        self._enter(ended=name, status="completed", **_plain(report))


def _plain(report: Report) -> dict[str, Any]:
    return {"notes": report.notes, "entries": report.entries}


def _details(error: BaseException | None) -> dict[str, Any]:
    details = getattr(error, "details", ())
    return dict(details[0]) if details else {}


def options_of(converter: str) -> dict[str, Any]:
    """Of a client of the present release."""
    from tests.system import switched_on

    return {"data_converter": getattr(switched_on, converter), "interceptors": [switched_on.telling]}


async def main(broker: str, name: str, diary: str, converter: str = "") -> None:
    client = ErrandClient(name, Path(diary), **(options_of(converter) if converter else {}))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, client.end)
    await client.keep_going(broker)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
