"""What is found in the modules of a user."""

from __future__ import annotations

import json
from types import ModuleType

import pytest
from structlog.testing import capture_logs

from dalsegno import activity
from dalsegno.cli import code
from dalsegno.cli.serving import local_activities_in
from dalsegno.errors import ConfigurationError


@activity.defn
def charge() -> None: ...


@activity.defn(name="charge")
def charge_again() -> None: ...


@activity.defn
def refund() -> None: ...


def module_of(*activities: object) -> ModuleType:
    module = ModuleType("shop")
    vars(module).update({f"activity_{number}": it for number, it in enumerate(activities)})
    return module


def test_a_host_needs_no_workflow_where_there_are_activities() -> None:
    assert code.workflows_in([module_of(charge)]) == []


def test_modules_with_neither_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="There is no workflow in json: "):
        code.workflows_in([json])


def test_a_host_has_local_activities_unless_two_have_one_name_which_it_says_of_both() -> None:
    with capture_logs() as logs:
        found = local_activities_in([module_of(charge, refund)])
        assert found is not None
        assert (found.names, logs) == (["charge", "refund"], [])
        assert local_activities_in([module_of(charge, charge_again)]) is None
    (told,) = logs
    assert (told["event"], told["log_level"]) == ("no_local_activities", "warning")
    assert {"charge", "charge_again"} <= set(told["reason"].replace(".", " ").split())
