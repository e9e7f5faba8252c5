"""Where the store's synchronous code runs: threads of its own, unless who builds the host has another place."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

NewThread = Callable[[str], Executor]
"""Given what it is for. What is submitted to one of them is done one after the other, in order."""


def own_thread(name: str) -> Executor:
    return ThreadPoolExecutor(1, thread_name_prefix=f"dalsegno-{name}")
