"""Chance that is the same whenever the code of a workflow runs again: a part of `dalsegno.workflow`."""

from __future__ import annotations

from random import Random
from uuid import UUID

from dalsegno._runtime import current_runtime


def random() -> Random:
    """Random numbers that are the same whenever this code runs again. Not for secrets."""
    return current_runtime("random").random()


def uuid4() -> UUID:
    """A UUID that is the same whenever this code runs again, and unique within the run. Not for secrets."""
    return current_runtime("uuid4").uuid4()


def uuid7() -> UUID:
    """A UUID that begins with `now()`, so that those of all runs sort by time, those of one run in the order in
    which they were made; otherwise as uuid4."""
    return current_runtime("uuid7").uuid7()
