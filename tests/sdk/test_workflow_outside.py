"""`workflow` where no workflow runs, and what the package hands out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

import dalsegno
from dalsegno import activity, workflow


@activity.defn
async def echo(value: str) -> str:
    return value


OUTSIDE: dict[str, Callable[[], object]] = {
    "now": workflow.now,
    "time": workflow.time,
    "time_ns": workflow.time_ns,
    "info": workflow.info,
    "memo": workflow.memo,
    "memo_value": lambda: workflow.memo_value("x"),
    "random": workflow.random,
    "uuid4": workflow.uuid4,
    "execute_activity": lambda: workflow.execute_activity(echo, "x"),
    "start_activity": lambda: workflow.start_activity(echo, "x"),
    "wait_condition": lambda: workflow.wait_condition(lambda: True),
    "checkpoint": lambda: workflow.checkpoint(1),
    "all_handlers_finished": workflow.all_handlers_finished,
    "get_signal_handler": lambda: workflow.get_signal_handler("x"),
    "set_signal_handler": lambda: workflow.set_signal_handler("x", None),
    "get_query_handler": lambda: workflow.get_query_handler("x"),
    "set_dynamic_query_handler": lambda: workflow.set_dynamic_query_handler(None),
    "unsafe.is_replaying": workflow.unsafe.is_replaying,
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_of_a_workflow_each_function_says_so(name: str) -> None:
    with pytest.raises(
        workflow.NotInWorkflowError, match=rf"workflow\.{name} works inside a running workflow only"
    ):
        OUTSIDE[name]()


async def test_the_hosts_own_loop_is_no_workflow() -> None:
    assert not workflow.in_workflow()
    with pytest.raises(workflow.NotInWorkflowError):
        workflow.now()


def test_the_logger_works_outside_too() -> None:
    with capture_logs() as logs:
        workflow.logger.bind(a=1).unbind("a").bind(b=2).info("hello")
    assert logs == [{"event": "hello", "log_level": "info", "b": 2}]


def test_ported_code_may_keep_its_imports_passed_through() -> None:
    with workflow.unsafe.imports_passed_through():
        import json
    assert json


def test_the_package_hands_out_what_it_promises() -> None:
    for name in dalsegno.__all__:
        assert getattr(dalsegno, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = dalsegno.nonsense


def test_importing_the_package_loads_neither_broker_nor_database_nor_engine() -> None:
    code = (
        "import sys, dalsegno; from dalsegno import workflow, activity;"
        "print([n for n in sys.modules if n.startswith(('aio_pika', 'sqlalchemy', 'pykka', 'dalsegno.')) "
        "and n.split('.')[:2][-1] in ('aio_pika', 'sqlalchemy', 'pykka', 'actors', 'broker', 'persistence', "
        "'workers', 'client')])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
