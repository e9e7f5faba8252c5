"""Why a workflow does not move: what has to be known for that is asked of hosts and broker here, and `reasons`
says what follows from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from dalsegno import given
from dalsegno.broker.protocol.messages import (
    DescribeWorkflow,
    DescribeWorkflows,
    Description,
    ListHosts,
    ListPartitions,
    PartitionInfo,
    QueryWorkflow,
)
from dalsegno.broker.topology import CONTROL_QUEUE, slot_of, task_queue
from dalsegno.client.decoding import decoded
from dalsegno.client.engine import EnginePort
from dalsegno.client.errors import NoAnswerError
from dalsegno.errors import DalsegnoError, InvalidMessageError, WorkflowNotFoundError
from dalsegno.reasons.evidence import Evidence, HandlersSeen, HostsSeen, QueueSeen, task_queues_of, workers_of
from dalsegno.reasons.explain import explain
from dalsegno.reasons.of_hosts import HostSilent, NoHost, NoOwner
from dalsegno.reasons.of_runs import ChildOpen, MessageAwaited, SignalUnhandled
from dalsegno.reasons.reason import Reason, Why

ANSWER_SECONDS = 5.0
"""A host that has not answered by then is silent; while it moves a partition, it may take some."""
CLUSTER_SECONDS = 2.0

CHILDREN_MAX = 10
"""So far down is looked: to the child, the child of that, ..."""

METADATA_QUERY = "__temporal_workflow_metadata"
"""What the code of every workflow answers: which handlers it has."""
HANDLERS_MAX = 10
OTHERS = "*"
"""How it names the handler of all other names."""

PAGE = 50


class ExplainedWorkflow:
    """The part of a workflow's handle that is about that."""

    id: str
    run_id: str | None
    _engine: EnginePort
    _command_run_id: str | None

    async def why(self, *, timeout: float | None = None) -> Why:
        """The reason why the workflow does not move, proven by its state and the broker's: which signal, timer,
        activity, worker, host, or person it waits for, since when, and the command that helps; see
        docs/operating.md. `timeout` is for its host: one that does not answer is a reason, too. Raises
        WorkflowNotFoundError."""
        return await why(self._engine, self.id, self._command_run_id, timeout=timeout)


async def why(
    engine: EnginePort,
    workflow_id: str,
    run_id: str | None = None,
    *,
    timeout: float | None = None,
    above: tuple[str, ...] = (),
) -> Why:
    """`above`: the parents that wait for it."""
    control = await engine.queues((CONTROL_QUEUE,))
    if control is not None and CONTROL_QUEUE in control and not control[CONTROL_QUEUE].has_consumers:
        return Why(workflow_id=workflow_id, reason=NoHost(workflow_id=workflow_id, asked_at=_now()))
    question = DescribeWorkflow(workflow_id=workflow_id, run_id=run_id)
    seconds = ANSWER_SECONDS if timeout is None else given.patience("timeout", timeout)
    try:
        reply = await engine.tell(question, timeout=seconds)
    except NoAnswerError:
        return Why(workflow_id=workflow_id, reason=await _silence(engine, workflow_id, seconds or 0.0))
    if reply.description is None:
        raise InvalidMessageError("the answer to workflow.describe has no description")
    run = decoded(reply.description, engine.converter.of_workflow(workflow_id))
    evidence = await _evidence(engine, run)
    told = explain(evidence)
    if any(isinstance(one, MessageAwaited | SignalUnhandled) for one in (told.reason, *told.also)):
        told = explain(await _with_handlers(engine, evidence))
    child = told.reason
    if isinstance(child, ChildOpen) and len(above) < CHILDREN_MAX and child.child_id not in above:
        with suppress(WorkflowNotFoundError):  # it has not begun
            below = await why(engine, child.child_id, timeout=timeout, above=(*above, workflow_id))
            told = structs.replace(told, child=below)
    return told


def _now() -> int:
    """The time of day, for people, where no host has said what time it is."""
    return int(datetime.now(UTC).timestamp() * 1_000_000)


async def _silence(engine: EnginePort, workflow_id: str, seconds: float) -> Reason:
    """Of hosts that are there: who was to answer, as another of them tells."""
    about: dict[str, Any] = {"workflow_id": workflow_id, "asked_at": _now()}
    seen = None
    with suppress(DalsegnoError, TimeoutError):
        seen = _hosts_of(workflow_id, *await _cluster(engine, CLUSTER_SECONDS))
    if seen is None or seen.partition is None:
        return HostSilent(**about, seconds=seconds)
    if seen.owner is None:
        return NoOwner(**about, partition=seen.partition)
    return HostSilent(**about, seconds=seconds, partition=seen.partition, owner=seen.owner)


Cluster = tuple[frozenset[str], tuple[PartitionInfo, ...]]
"""The hosts that live, and who owns which partition, dead or alive."""


async def _cluster(engine: EnginePort, timeout: float | None = None) -> Cluster:
    hosts = await engine.control(ListHosts(), timeout=timeout)
    partitions = await engine.control(ListPartitions(), timeout=timeout)
    return frozenset(host.host_id for host in hosts.hosts), partitions.partitions


def _hosts_of(workflow_id: str, live: frozenset[str], partitions: tuple[PartitionInfo, ...]) -> HostsSeen:
    if not partitions:
        return HostsSeen(any_live=bool(live))
    number = slot_of(workflow_id) % len(partitions)
    owners = (one.owner for one in partitions if one.partition == number)
    owner = next((owner for owner in owners if owner in live), None)
    return HostsSeen(any_live=bool(live), partition=number, owner=owner)


async def _evidence(engine: EnginePort, run: Description, look: Looker | None = None) -> Evidence:
    seen = Evidence(run, now=_now())
    if run.status.closed:
        return seen
    look = look or Looker(engine)
    queues = await look.at(map(task_queue, task_queues_of(run)))
    workers = await look.at(workers_of(run))
    if queues is None or workers is None:
        return replace(seen, hosts=_hosts_of(run.workflow_id, *await look.cluster()))
    by_name = {name: queues[task_queue(name)] for name in task_queues_of(run) if task_queue(name) in queues}
    return replace(seen, queues=by_name, workers={name: one.exists for name, one in workers.items()})


@dataclass(slots=True)
class Looker:
    """Looks at each queue once, and at the hosts."""

    engine: EnginePort
    _seen: dict[str, QueueSeen] = field(default_factory=dict)
    _looked_at: set[str] = field(default_factory=set)
    _cluster: Cluster | None = None

    async def at(self, names: Iterable[str]) -> Mapping[str, QueueSeen] | None:
        """None where there is no broker."""
        wanted = tuple(names)
        found = await self.engine.queues(name for name in wanted if name not in self._looked_at)
        if found is None:
            return None
        self._looked_at.update(wanted)
        self._seen.update(found)
        return {name: self._seen[name] for name in wanted if name in self._seen}

    async def cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = await _cluster(self.engine)
        return self._cluster


async def _with_handlers(engine: EnginePort, evidence: Evidence) -> Evidence:
    """And the signals and updates that its code takes. Without an answer it is as it was: code may be away."""
    run = evidence.run
    question = QueryWorkflow(workflow_id=run.workflow_id, run_id=run.run_id, name=METADATA_QUERY)
    with suppress(DalsegnoError):
        reply = await engine.tell(question, timeout=ANSWER_SECONDS)
        if reply.result is not None:
            told = engine.converter.of_workflow(run.workflow_id).from_payload(reply.result, dict)
            return replace(evidence, handlers=_handlers(told))
    return evidence


def _handlers(told: Any) -> HandlersSeen | None:
    """None where the code answers that query in a way of its own."""
    definition = told.get("definition") if isinstance(told, dict) else None
    if not isinstance(definition, dict):
        return None
    signals, updates = (_names(definition.get(f"{kind}Definitions")) for kind in ("signal", "update"))
    takes_others = OTHERS in (*signals, *updates)
    return HandlersSeen(_own(signals), _own(updates), takes_others=takes_others)


def _names(listed: Any) -> list[str]:
    return [str(one.get("name")) for one in listed or () if isinstance(one, dict)]


def _own(names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name != OTHERS)[:HANDLERS_MAX]


async def why_each(engine: EnginePort, query: str) -> AsyncIterator[Why]:
    """Of runs that fit a filter, as far as rows and the broker tell. Pages are read by a thread of a host that
    works for people, and each queue is looked at once."""
    look = Looker(engine)
    ask = DescribeWorkflows(filter=query, limit=PAGE)
    while True:
        page = await engine.control(ask)
        for told in page.descriptions:
            run = decoded(told, engine.converter.of_workflow(told.workflow_id))
            yield explain(await _evidence(engine, run, look))
        if page.cursor in (None, ask.before):
            return
        ask = structs.replace(ask, before=page.cursor)
