"""The examples of docs/effects-once.md are tests that pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.guides import Guide

GUIDE = Guide("effects-once.md")


@pytest.fixture(scope="module")
def guide() -> Iterator[Any]:
    with GUIDE.module() as module:
        yield module


@pytest.mark.parametrize("name", GUIDE.tests)
def test_an_example_passes(guide: Any, name: str) -> None:
    getattr(guide, name)()


def test_there_are_several() -> None:
    assert len(GUIDE.tests) == 3
