"""Activities that do not stop when they are asked to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

from dalsegno import activity as act
from dalsegno import workflow
from tests.cli.sample import NOTES_VARIABLE


def _note_begun() -> None:
    with Path(os.environ[NOTES_VARIABLE]).open("a") as notes:
        notes.write("begun\n")


@act.defn
def hang() -> None:
    _note_begun()
    while True:
        time.sleep(3600)


@act.defn
async def cling() -> None:
    _note_begun()
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


@workflow.defn
class Stubborn:
    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(name)
