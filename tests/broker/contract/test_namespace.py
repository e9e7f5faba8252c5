"""A virtual host belongs to the one database that claimed it first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from dalsegno.broker.namespace import declare_namespace
from dalsegno.broker.port import Session
from dalsegno.broker.topology import NAMESPACE_QUEUE, namespace_topology, partition_queue
from dalsegno.errors import TopologyError
from tests.broker.conftest import Connect
from tests.broker.witness import fill, numbered
from tests.partition_ids import FIRST, nth, nths

Declare = Callable[..., Awaitable[None]]


@pytest.fixture
async def declare(session: Session) -> AsyncIterator[Declare]:
    """What a host and `dalsegno init` do, for a database with the identity that it is given."""

    async def declare(identity: str, *, partitions: int = 1, by: Session = session) -> None:
        await declare_namespace(by, identity=identity, partitions=nths(partitions))

    await session.delete_queue(NAMESPACE_QUEUE)
    yield declare
    for name in [NAMESPACE_QUEUE, *(one.name for one in namespace_topology(nths(2)).queues)]:
        await session.delete_queue(name)


async def test_a_database_declares_its_namespace_again_and_again(declare: Declare, connect: Connect) -> None:
    await declare("a")
    await declare("a")
    await declare("a", by=await connect())


async def test_another_database_is_refused_and_changes_nothing(declare: Declare, session: Session) -> None:
    await declare("a")
    await fill(session, partition_queue(FIRST), numbered(3))
    with pytest.raises(TopologyError, match=r"another database.*\?schema=.*delete .*dalsegno\.namespace"):
        await declare("b", partitions=2)
    assert session.is_open
    assert await session.queue_depth(partition_queue(nth(1))) is None
    assert await session.queue_depth(partition_queue(FIRST)) == 3
    await declare("a")


async def test_a_virtual_host_whose_claim_was_deleted_is_free_for_another_database(
    declare: Declare, session: Session
) -> None:
    await declare("a")
    await session.delete_queue(NAMESPACE_QUEUE)
    await declare("b")
    with pytest.raises(TopologyError, match="another database"):
        await declare("a")


async def test_a_virtual_host_from_before_there_were_claims_is_claimed(
    declare: Declare, session: Session
) -> None:
    await session.declare(namespace_topology(nths(1)))
    await declare("a")
    assert await session.queue_depth(NAMESPACE_QUEUE) == 0
