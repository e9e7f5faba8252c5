"""Stacks to send bad input to."""

from tests.system.conftest import pytest_runtest_makereport, stack_on

__all__ = ["pytest_runtest_makereport", "stack_on"]
