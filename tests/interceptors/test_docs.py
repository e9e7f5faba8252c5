"""The examples of docs/interceptors.md are tests that pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.guides import Guide

GUIDE = Guide("interceptors.md")


@pytest.fixture(scope="module")
def guide() -> Iterator[Any]:
    """A module made of all examples, in order."""
    with GUIDE.module() as module:
        yield module


@pytest.mark.parametrize("name", GUIDE.tests)
async def test_an_example_passes(guide: Any, name: str) -> None:
    await getattr(guide, name)()


def test_there_are_several() -> None:
    assert len(GUIDE.tests) == 2
