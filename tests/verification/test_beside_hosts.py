"""Hosts go on while histories are read: no false alarm, and nothing that is missed for it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from contextlib import closing

import pytest

from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.run.inputs import Input
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.persistence.port import Writer
from dalsegno.verification import AuditReader, Finding, Scope, Summary, verify
from dalsegno.verification.rows import Page
from examples.orders import OrderWorkflow
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory, stack_on  # noqa: F401 - a fixture
from tests.system.shop import order
from tests.system.stack import Stack
from tests.verification.stored import Stored
from tests.workflow_actor.rig import Rig, ScriptedCode, sign

ORDERS = 20


def check(reader: AuditReader, scope: Scope | None = None) -> tuple[list[Finding], Summary]:
    findings: list[Finding] = []
    summary = verify(reader, scope or Scope(), on_finding=findings.append)
    return findings, summary


class Interrupted(AuditReader):
    """Calls `meanwhile` before each page of a run that it reads."""

    meanwhile: Callable[[int], None]
    begun = 0

    def page(self, run_id: str, *, after: int = -1, known_snapshot: int | None = None) -> Page | None:
        self.begun += after == -1
        self.meanwhile(after)
        return super().page(run_id, after=after, known_snapshot=known_snapshot)


def many_signals(count: int, *, history_limit: int = 10_000) -> Stored:
    """A journal of so many rows, with a sign after every tenth."""

    def script(index: int, _: Input) -> list[Intent]:
        return [sign(signs=index // 10 + 1)] if index % 10 == 9 else []

    rig = Rig(ScriptedCode(script), history_limit=history_limit)
    stored = Stored(rig)
    rig.start()
    for number in range(count - 1):
        # Not `send`, which reads the whole journal again each time.
        entropy = number.to_bytes(32, "big")
        (activation,) = rig.instance.activate(Signal(name="poke"), now=rig.now, entropy=entropy, held=True)
        rig._write(activation)
    return stored


def test_a_journal_that_is_trimmed_while_it_is_read_is_read_anew(empty_url: str, writer: Writer) -> None:
    stored = many_signals(300, history_limit=20)
    stored.commit_to(writer, stop=100)

    def meanwhile(after: int) -> None:
        if after > 30 and stored.committed == 100:
            stored.commit_to(writer)

    with closing(Interrupted(empty_url, batch=5)) as reader:
        reader.meanwhile = meanwhile
        findings, summary = check(reader)
    assert findings == []
    assert reader.begun >= 2, "nothing was trimmed"
    assert (summary.runs, summary.unread) == (1, 0)


def test_a_journal_that_grows_while_it_is_read_is_followed(empty_url: str, writer: Writer) -> None:
    stored = many_signals(200)
    stored.commit_to(writer, stop=100)

    def meanwhile(after: int) -> None:
        if stored.committed < 200:
            stored.commit_to(writer, stop=stored.committed + 2)

    with closing(Interrupted(empty_url, batch=5)) as reader:
        reader.meanwhile = meanwhile
        findings, summary = check(reader)
    assert findings == []
    assert summary.rows > 100


def test_a_run_that_is_trimmed_faster_than_it_is_read_is_said_to_be_unread(
    empty_url: str, writer: Writer
) -> None:
    stored = many_signals(400, history_limit=6)
    stored.commit_to(writer, stop=100)

    def meanwhile(after: int) -> None:
        # Whenever a page was read, all of it is gone before the next.
        if after >= 0:
            stored.commit_to(writer, stop=stored.committed + 50)

    with closing(Interrupted(empty_url, batch=2)) as reader:
        reader.meanwhile = meanwhile
        findings, summary = check(reader)
    assert findings == []
    assert summary.unread == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "where", [EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])]
)
def test_nothing_is_found_while_orders_run_and_a_host_is_killed(where: str, stack_on: StackFactory) -> None:  # noqa: F811
    flags = ["--history-limit", "5"]
    with stack_on(where, modules=["examples.orders"], host_flags=flags) as stack:
        found = asyncio.run(_trade_and_verify(stack))
    assert found == []


async def _trade_and_verify(stack: Stack) -> list[Finding]:
    found: list[Finding] = []
    rounds = 0
    async with stack.client() as client:
        names = [f"order-{number}" for number in range(ORDERS)]
        work = asyncio.gather(
            *(client.execute(OrderWorkflow.run, order(name, card="4000-flaky"), id=name) for name in names)
        )
        with closing(AuditReader(stack.database, batch=20)) as reader:
            while not work.done() or rounds < 3:
                findings, _ = await asyncio.to_thread(check, reader)
                found += findings
                rounds += 1
                if rounds == 2:
                    stack.hosts[0].kill_child()
            findings, summary = check(reader)
        await work
        assert summary.runs == ORDERS
    return [*found, *findings]


def test_memory_does_not_grow_with_the_journal(empty_url: str, writer: Writer) -> None:
    stored = many_signals(1_500)
    stored.commit_to(writer, stop=300)
    short = peak_of_checking(empty_url, rows=300)
    stored.commit_to(writer)
    # A row and its record are a kilobyte at least.
    assert peak_of_checking(empty_url, rows=1_500) < short + 200_000


def peak_of_checking(url: str, *, rows: int) -> int:
    """Bytes that Python held at most."""
    with closing(AuditReader(url, batch=100)) as reader:
        check(reader)
        tracemalloc.start()
        findings, summary = check(reader)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert findings == []
    assert summary.rows == rows
    return peak
