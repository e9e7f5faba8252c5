"""Workflow code that does not yield, for as long as a file says so: what a bad deployment is, and its mending.

All code here looks at a file, which workflow code must not do; a rogue does.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from dalsegno import workflow

TRAP = "SYSTEM_TRAP"
"""While this file exists, the code is bad."""


def is_set() -> bool:
    return Path(os.environ[TRAP]).exists()


def loop() -> None:
    while is_set():
        pass


def block() -> None:
    while is_set():
        threading.Event().wait(3600)


def backtrack() -> None:
    """Holds the interpreter itself: no other thread runs meanwhile."""
    while is_set():
        re.match(r"(a+)+$", "a" * 40 + "b")


def die() -> None:
    if is_set():
        os._exit(3)


WAYS = {"loops": loop, "blocks": block, "backtracks": backtrack, "dies": die}


@workflow.defn
class Rogue:
    """Goes wrong when told to: in its first step, or at a signal."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @workflow.run
    async def run(self, way: str | None) -> list[str]:
        if way is not None:
            WAYS[way]()
            self.told.append(way)
        await workflow.wait_condition(lambda: "end" in self.told)
        return self.told

    @workflow.signal
    def go(self, way: str) -> None:
        if way in WAYS:
            WAYS[way]()
        self.told.append(way)

    @workflow.query
    def asked(self, way: str) -> list[str]:
        if way in WAYS:
            WAYS[way]()
        return self.told

    @workflow.query
    def count(self) -> int:
        return len(self.told)
