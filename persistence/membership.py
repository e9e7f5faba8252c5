"""Hosts, leases, strikes: who may commit for what.

A lease is (partition, owner, epoch). It is held as long as its owner's row in `hosts` is live, which is ONE
fact, the row's expiry by the database's clock (and hosts delete a row that they see renewed no more); it is
taken by raising the epoch. Nothing ever lowers an epoch, so a host that lost a lease unawares, frozen or cut
off, is refused by the fence of its next commit whatever the clocks say. Clocks decide how soon a lease can be
taken, never whether two hosts can commit for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from dalsegno.errors import FencedError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence import formats
from dalsegno.persistence.database import Database, OwnedConnection, Role
from dalsegno.persistence.port import Cluster, Fence, LeaseRow
from dalsegno.persistence.search_attributes import read_declared
from dalsegno.persistence.tables import GENERATION, hosts, leases, mail, seen, strikes


class SqlMembership:
    """`port.Membership` on one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owned = OwnedConnection(database, Role.MEMBERSHIP)
        self._unsaid: tuple[str, int] | None = None
        """The version and the format read of a host that has joined where the tables could not hold it."""

    def join(self, host_id: str, *, ttl: int, version: str, format_read: int = 1) -> int:
        """A host that joins has nothing: what a row of the same name still owned is free again. Rows of hosts
        that have expired are deleted by the way."""
        now = self._database.now()
        with self._owned.transaction() as connection:
            revision = formats.admit(self._database, connection, format_read)
            row = {"expires_at": now + ttl, "ttl": ttl, **formats.announcement(revision, version, format_read)}
            statement = self._database.insert_or_update(hosts, {"host_id": host_id, **row}, row)
            connection.execute(sa.update(leases).where(leases.c.owner == host_id).values(owner=None))
            connection.execute(sa.delete(hosts).where(hosts.c.expires_at <= now))
            expires_at: int = connection.execute(statement.returning(hosts.c.expires_at)).scalar_one()
        self._unsaid = None if formats.are_kept(revision) else (version, format_read)
        return expires_at - ttl

    def renew(self, host_id: str, *, ttl: int) -> int:
        now = self._database.now()
        statement = (
            sa.update(hosts)
            .where(hosts.c.host_id == host_id, hosts.c.expires_at > now)
            .values(expires_at=now + ttl, ttl=ttl)
            .returning(hosts.c.expires_at)
        )
        with self._owned.transaction() as connection:
            unsaid = self._unsaid
            if unsaid is not None and formats.are_kept(formats.revision_of(connection)):
                revision = formats.admit(self._database, connection, unsaid[1])
                statement = statement.values(**formats.announcement(revision, *unsaid))
                unsaid = None
            expires_at: int | None = connection.execute(statement).scalar_one_or_none()
        if expires_at is None:
            raise _gone(host_id)
        self._unsaid = unsaid
        return expires_at - ttl

    def expire(self, host_id: str, *, at: int | None = None) -> None:
        statement = sa.delete(hosts).where(hosts.c.host_id == host_id)
        with self._owned.transaction() as connection:
            connection.execute(statement if at is None else statement.where(hosts.c.expires_at == at))

    def cluster(self) -> Cluster:
        with self._owned.transaction() as connection:
            return read_cluster(self._database, connection)

    def ask_format(self, newest: int) -> Cluster:
        with self._owned.transaction() as connection:
            formats.ask(self._database, connection, newest)
            formats.grant(self._database, connection)
            return read_cluster(self._database, connection)

    def raise_format(self) -> int:
        with self._owned.transaction() as connection:
            return formats.grant(self._database, connection)

    def take(self, partitions: Sequence[PartitionID], host_id: str) -> list[LeaseRow]:
        now = self._database.now()
        free = leases.c.owner.is_(None) | ~sa.exists().where(
            hosts.c.host_id == leases.c.owner, hosts.c.expires_at > now
        )
        live = sa.select(hosts.c.host_id).where(hosts.c.host_id == host_id, hosts.c.expires_at > now)
        # Under another generation the same number is another partition.
        generations = {partition.generation for partition in partitions}
        assert len(generations) <= 1, "a host knows one generation"
        meant = sa.literal(max(generations, default=0)) == GENERATION
        # Rows are locked first, in the order in which commits lock them, and judged again by the next
        # statement: while we waited, a host may have taken them that our first look could not know.
        lock = (
            sa.select(leases.c.partition)
            .where(self._database.among(leases.c.partition, "partitions"), free, meant)
            .order_by(leases.c.partition)
            .with_for_update(of=leases)
        )
        with self._owned.transaction() as connection:
            asked = {"partitions": self._database.keys([partition.number for partition in partitions])}
            locked = {"partitions": self._database.keys(connection.scalars(lock, asked))}
            taken = connection.execute(
                sa.update(leases)
                .where(self._database.among(leases.c.partition, "partitions"), free, meant, live.exists())
                .values(owner=host_id, epoch=leases.c.epoch + 1)
                .returning(leases.c.partition, leases.c.epoch, GENERATION.label("generation")),
                locked,
            ).all()
            if not taken and connection.execute(live).first() is None:
                raise _gone(host_id)
        gained = (LeaseRow(_partition(row), host_id, row.epoch) for row in taken)
        return sorted(gained, key=lambda lease: lease.partition)

    def release(self, leases_: Sequence[Fence], host_id: str) -> None:
        ours = sa.update(leases).where(
            leases.c.partition == sa.bindparam("held"),
            leases.c.epoch == sa.bindparam("at"),
            leases.c.owner == host_id,
        )
        with self._owned.transaction() as connection:
            for fence in sorted(leases_, key=lambda fence: fence.partition):
                connection.execute(ours.values(owner=None), {"held": fence.partition.number, "at": fence.epoch})

    def strike(self, run_id: str, cause: str) -> int:
        statement = self._database.insert_or_update(
            strikes, {"run_id": run_id, "cause": cause, "count": 1}, {"count": strikes.c.count + 1}
        )
        with self._owned.transaction() as connection:
            count: int = connection.execute(statement.returning(strikes.c.count)).scalar_one()
        return count

    def clear_strikes(self, run_id: str) -> None:
        with self._owned.transaction() as connection:
            connection.execute(sa.delete(strikes).where(strikes.c.run_id == run_id))

    def trim_seen(self, *, older_than: int, limit: int = 10_000) -> int:
        key = sa.tuple_(seen.c.workflow_id, seen.c.message_id, seen.c.type)
        old = (
            sa.select(seen.c.workflow_id, seen.c.message_id, seen.c.type)
            .where(seen.c.time < older_than, ~sa.exists().where(mail.c.workflow_id == seen.c.workflow_id))
            .order_by(seen.c.time)
            .limit(limit)
        )
        with self._owned.transaction() as connection:
            return connection.execute(sa.delete(seen).where(key.in_(old))).rowcount

    def close(self) -> None:
        self._owned.close()


def _gone(host_id: str) -> FencedError:
    return FencedError(f"The row of host {host_id} is gone or expired; others may own its leases by now.")


def _partition(row: sa.Row[Any]) -> PartitionID:
    return PartitionID(row.generation, row.partition)


def read_cluster(database: Database, connection: sa.Connection) -> Cluster:
    time: int = connection.execute(sa.select(database.now())).scalar_one()
    revision = formats.revision_of(connection)
    written, asked = formats.read(connection, revision)
    # Leases before hosts: an owner that joins in between is not taken for a dead one.
    owned = connection.execute(
        sa.select(leases, GENERATION.label("generation")).order_by(leases.c.partition)
    ).all()
    found = formats.live_hosts(database, connection, revision)
    return Cluster(
        now=time,
        hosts=tuple(found),
        leases=tuple(LeaseRow(_partition(row), row.owner, row.epoch) for row in owned),
        format_written=written,
        format_asked=asked,
        attributes=read_declared(connection, revision),
    )
