"""The examples of docs/testing.md are tests that pass, and examples/orders is tested as users would."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from tests.guides import Guide

GUIDE = Guide("testing.md")


@pytest.fixture(scope="module")
def guide() -> Iterator[Any]:
    """A module made of all examples, in order."""
    with GUIDE.module() as module:
        yield module


@pytest.mark.parametrize("name", GUIDE.tests)
async def test_an_example_passes(guide: Any, name: str) -> None:
    test = getattr(guide, name)
    if inspect.iscoroutinefunction(test):
        await test()
    else:  # it has a loop of its own
        await asyncio.to_thread(test)


def test_there_are_several() -> None:
    assert len(GUIDE.tests) >= 6
