"""Intents: what user code wants, as its program reports them after one input, in order.

The engine turns them into events. On recovery the program is stepped with the logged inputs, and must want
the same again: `digest` is what is remembered and compared (never payloads: arguments may change with code).
"""

from __future__ import annotations

from typing import Protocol


class Intent(Protocol):
    """Each room of a primitive has its own, and so has the run."""

    @property
    def line(self) -> str:
        """Where user code asked for it ("file.py:12"), for people; not compared."""

    @property
    def digest(self) -> str: ...
