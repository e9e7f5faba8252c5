"""The HostSupervisor: this process's seat among the hosts. Membership, leases, giving up, leaving.

It is a thread of its own with a database connection of its own, so that no slow round costs the lease. It knows
nothing of queues and actors: the host's loop tells it what has happened, and its `Listener` is told what to do.

Every message is first noted, which cannot fail, and then pursued: the database is brought in line with what is
noted. What the database did not take is tried again at the next tick; so no message is lost to an outage, and
what did happen although its answer got lost (a take, a release) is found out by looking.

A lease vouches for the loop: while that stands still (see `loop_beat`) nothing is joined, renewed or taken, so
that what the loop has goes to others.

A *tenure* is one life under one host ID. It ends when its validity has run out, or when the database says that
its row is gone or one of its leases another's. Then all that was held under it is void at once, and the host
joins anew under a new ID. Nothing of a tenure survives it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVarTuple

import pykka

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.fail_stop import contained
from dalsegno.actors.supervisor.host_id import new_host_id
from dalsegno.actors.supervisor.membership.host_listener import CallSoon, Listener
from dalsegno.actors.supervisor.membership.loop_beat import LoopBeat
from dalsegno.actors.supervisor.membership.tenure import Tenure
from dalsegno.actors.supervisor.membership.ticker import Ticker
from dalsegno.actors.supervisor.membership.validity import Validity
from dalsegno.actors.supervisor.membership.vigil import Vigil
from dalsegno.backoff import doubled
from dalsegno.errors import ConfigurationError, FencedError, StoreUnavailableError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Cluster, LeaseRow, Membership

log = get_logger("dalsegno.supervisor")

MICROSECONDS = 1_000_000
RENEWALS_PER_TTL = 4
SAFETY_SHARE = 0.05
"""The part of the lease's time by which a host's own validity ends before its row: half a second of ten."""
RETRY_SECONDS = 0.1
"""After the first failure of the database; doubles up to the interval between renewals."""
JUST_AFTER_SECONDS = 0.05

Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Tick:
    """Renew, and look at the cluster. The actor sends it to itself."""


@dataclass(frozen=True, slots=True)
class Hurry:
    """Look at the cluster at once: something has changed (HostJoined)."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A host has released these and named us as their heir (PartitionsReleased)."""

    host_id: str
    partitions: tuple[PartitionID, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """The loop has drained a partition and closed its channel. Unasked for, it means that this host cannot
    serve the partition: it goes to another, and this host doesn't take it for the time of one lease, or ever
    again, if that is `for_good`."""

    partition: PartitionID
    epoch: int
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """Give everything up, then go. Said twice it is the same."""


@dataclass(frozen=True, slots=True)
class CutOff:
    """The broker takes nothing from us: give everything up at once, so that others take it, and hold nothing
    until `reason` is None again."""

    reason: str | None


Message = Tick | Hurry | Offered | Released | Leave | CutOff


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What a HostSupervisor is started with. `parent_pid` None: it is nobody's child. `generation`: how this
    process has the slots dealt out."""

    membership: Callable[[], Membership]
    host_id: str
    generation: int
    version: str
    format_read: int = 1
    """The newest stored format that this host reads."""
    listener: Listener
    deliver: CallSoon
    validity: Validity
    beat: LoopBeat
    lease_ttl_seconds: float = 10.0
    parent_pid: int | None = None
    clock: Callable[[], float] = time.monotonic


class _LoopSilentError(Exception):
    """The loop stands still: nothing is done in its name."""


def stop(supervisor: pykka.ActorRef[HostSupervisor]) -> None:
    """At the host's end, from a thread that may wait for it."""
    try:
        supervisor.stop(timeout=5.0)
    except (pykka.ActorDeadError, pykka.Timeout) as error:
        log.debug("host_supervisor_not_stopped", reason=repr(error))


class HostSupervisor(pykka.ThreadingActor):
    """See the module. Tell it `Message`s; never ask it, and never stop it blocking, from the loop."""

    use_daemon_thread = True  # it must not keep a process alive, and in possession, whose loop has ended

    def __init__(self, options: HostOptions) -> None:
        super().__init__()
        self._options = options
        self._listener = options.listener
        self._validity = options.validity
        self._clock = options.clock
        self._ttl = options.lease_ttl_seconds
        self._interval = options.lease_ttl_seconds / RENEWALS_PER_TTL
        self._membership = options.membership()
        self._vigil = Vigil()
        self._ticker = Ticker(self.actor_ref, Tick(), self._listener.failed)
        self._tenure: Tenure | None = None
        self._host_id = options.host_id
        """Of this tenure, or of the next."""
        self._rows: list[str] = []
        """Host IDs, oldest first, that may have a row: also those of joins whose answer was lost."""
        self._has_joined = False
        self._renewed_at = float("-inf")
        self._next_expiry = float("inf")
        """When the first of the other hosts will be found dead, unless it renews its row."""
        self._failures = 0
        self._leaving = False
        self._cut_off: str | None = None
        self._has_ended = False
        self._told_orphaned = False
        self._told_silent = False

    def on_start(self) -> None:
        contained(self._listener.failed, self._ticker.start)
        self._ticker.after(0)

    def on_stop(self) -> None:
        self._validity.end()
        self._ticker.stop()
        self._membership.close()

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self._has_ended = True
        self._validity.end()
        self._listener.failed(exception_value)
        self.on_stop()

    def on_receive(self, message: Message) -> None:
        try:
            self._receive(message)
        except Exception:
            raise  # pykka calls `on_failure`
        except BaseException as error:
            self._listener.failed(error)
            raise

    def _receive(self, message: Message) -> None:
        self._note(message)
        if self._has_ended:
            return
        try:
            self._pursue(renew=isinstance(message, Tick))
            self._failures = 0
            self._told_silent = False
        except _LoopSilentError:
            self._failures += 1
            self._loop_is_silent()
        except StoreUnavailableError as error:
            self._failures += 1
            self._store_failed(error)
        except FencedError as error:
            self._failures += 1
            self._lose(str(error))
        if isinstance(message, Tick):
            self._ticker.after(self._pause())

    def _note(self, message: Message) -> None:
        if isinstance(message, Leave):
            self._leaving = True
        elif isinstance(message, CutOff):
            self._cut_off = message.reason
        elif self._tenure is not None:
            one_lease_from_now = self._clock() + self._ttl
            if isinstance(message, Released):
                self._tenure.note_drained(
                    message.partition,
                    message.epoch,
                    refused_until=one_lease_from_now,
                    for_good=message.for_good,
                )
            elif isinstance(message, Offered):
                self._tenure.note_offer(message.host_id, message.partitions, until=one_lease_from_now)

    def _pursue(self, *, renew: bool) -> None:
        self._watch_parent()
        if self._tenure is None and self._leaving:
            self._finish()
            return
        if self._cut_off is not None:
            self._lose(self._cut_off)
            self._delete_rows()
            return
        if self._options.beat.is_silent:
            raise _LoopSilentError
        tenure = self._tenure or self._join()
        # Before anything else on waking up: after a freeze, what we believe in is long another's.
        self._check_validity(tenure)
        if renew or self._clock() - self._renewed_at >= self._interval:
            self._renew(tenure)
        if tenure.drained:
            fences = tenure.to_release()
            self._membership.release(fences, tenure.host_id)
            tenure.note_released(fences)
        self._look(tenure)
        if self._leaving and not tenure.held:
            self._finish()

    # --- the steps -------------------------------------------------------------------------------------------

    def _watch_parent(self) -> None:
        parent_pid = self._options.parent_pid
        if parent_pid not in (None, os.getppid()) and not self._told_orphaned:
            self._told_orphaned = True
            self._notify(self._listener.orphaned)
            log.warning("parent_gone", host_id=self._host_id, parent_pid=parent_pid)

    def _join(self) -> Tenure:
        # Earlier rows may still be live, but what was held under them is void: nobody need wait for their end.
        self._delete_rows()
        ttl, version, is_first = int(self._ttl * MICROSECONDS), self._options.version, not self._has_joined
        self._rows.append(self._host_id)
        sent_at = self._clock()
        reads = self._options.format_read
        now = self._membership.join(self._host_id, ttl=ttl, version=version, format_read=reads)
        tenure = self._tenure = Tenure(self._host_id)
        self._has_joined = True
        if not is_first:
            self._notify(self._listener.rejoined, self._host_id)
        self._extend(sent_at, now)
        log.info("host_joined", host_id=self._host_id)
        return tenure

    def _delete_rows(self) -> None:
        while self._rows:
            self._membership.expire(self._rows[0])
            del self._rows[0]

    def _renew(self, tenure: Tenure) -> None:
        sent_at = self._clock()
        now = self._membership.renew(tenure.host_id, ttl=int(self._ttl * MICROSECONDS))
        self._extend(sent_at, now)
        self._check_validity(tenure)

    def _extend(self, sent_at: float, now: int) -> None:
        self._validity.extend(self._host_id, sent_at + self._ttl * (1 - SAFETY_SHARE))
        self._renewed_at = sent_at
        self._notify(self._listener.store_time, now)

    def _check_validity(self, tenure: Tenure) -> None:
        if not self._validity.holds(tenure.host_id):
            raise FencedError(
                f"Host {tenure.host_id} was frozen, or cut off from its database, for the time of a lease."
            )

    def _look(self, tenure: Tenure) -> None:
        cluster = self._cluster_of_the_living(tenure)
        self._check_generation(cluster)
        self._check_validity(tenure)
        self._next_expiry = self._expiry_of_others(tenure, cluster)
        self._tell_format(tenure, cluster.format_written)
        if cluster.attributes != tenure.attributes:
            tenure.attributes = cluster.attributes
            self._notify(self._listener.attributes_declared, cluster.attributes)
        self._tell_peers(tenure, cluster)
        self._gain(tenure, tenure.compare(cluster))
        released = tenure.heirs(cluster, leaving=self._leaving)
        for partition, heir in released.items():
            self._notify(self._listener.released, partition, heir)
        if released:
            log.info("leases_released", host_id=tenure.host_id, heirs=_by_heir(released))
        share = tenure.share(cluster, leaving=self._leaving, now=self._clock())
        for partition, heir in share.give.items():
            self._want_release(tenure, partition, heir)
        if share.take:
            taken = self._membership.take(share.take, tenure.host_id)
            self._check_validity(tenure)
            self._gain(tenure, taken)
        asked = cluster.format_asked
        if asked > cluster.format_written and all(host.format_read >= asked for host in cluster.hosts):
            self._tell_format(tenure, self._membership.raise_format())

    def _check_generation(self, cluster: Cluster) -> None:
        """Raises ConfigurationError when partitions have other slots than this process takes them to have."""
        known = self._options.generation
        found = {lease.partition.generation for lease in cluster.leases} - {known}
        if found:
            raise ConfigurationError(
                f"The slots of this namespace were dealt out anew: they are of generation {max(found)}, this "
                f"process knows generation {known}. It may hold none of its partitions: start it again."
            )

    def _cluster_of_the_living(self, tenure: Tenure) -> Cluster:
        """Without those whose rows are renewed no more, although by the database's clock they are good."""
        asked_at = self._clock()
        cluster = self._membership.cluster()
        others = [host for host in cluster.hosts if host.host_id != tenure.host_id]
        dead = self._vigil.look(others, asked_at=asked_at, answered_at=self._clock())
        if not dead:
            return cluster
        for host in dead:
            self._membership.expire(host.host_id, at=host.expires_at)
            log.warning("host_not_renewed", host_id=host.host_id, claimed=(host.expires_at - cluster.now) / 1e6)
        return self._membership.cluster()

    def _expiry_of_others(self, tenure: Tenure, cluster: Cluster) -> float:
        others = [host.expires_at for host in cluster.hosts if host.host_id != tenure.host_id]
        expiry = self._clock() + (min(others) - cluster.now) / MICROSECONDS if others else float("inf")
        return min(expiry, self._vigil.next_end())

    def _tell_peers(self, tenure: Tenure, cluster: Cluster) -> None:
        peers = tuple(sorted(host.host_id for host in cluster.hosts))
        if peers != tenure.peers:
            tenure.peers = peers
            self._notify(self._listener.peers, peers)

    def _tell_format(self, tenure: Tenure, written: int) -> None:
        if written != tenure.format_written:
            tenure.format_written = written
            self._notify(self._listener.format_written, written)

    def _gain(self, tenure: Tenure, leases: Sequence[LeaseRow]) -> None:
        if leases:
            tenure.note_gained(leases)
            self._notify(self._listener.leases_gained, leases)
            log.info(
                "leases_gained", host_id=tenure.host_id, partitions=[row.partition.number for row in leases]
            )

    def _want_release(self, tenure: Tenure, partition: PartitionID, heir: str | None) -> None:
        tenure.draining.add(partition)
        self._notify(self._listener.release_wanted, partition, heir)

    # --- ends ------------------------------------------------------------------------------------------------

    def _store_failed(self, error: StoreUnavailableError) -> None:
        tenure = self._tenure
        if tenure is None or not self._validity.holds(tenure.host_id):
            self._lose(f"the database could not be reached for the time of a lease: {error}")
        elif self._leaving:
            for partition in sorted(tenure.held.keys() - tenure.draining):
                self._want_release(tenure, partition, None)
            if tenure.held.keys() <= tenure.drained:
                self._finish()
        if self._failures == 1:
            log.warning("store_unavailable", host_id=self._host_id, reason=str(error))

    def _loop_is_silent(self) -> None:
        """Nothing is renewed; when the time of the leases has run out, they are lost as after a freeze."""
        tenure = self._tenure
        if tenure is not None and not self._validity.holds(tenure.host_id):
            self._lose("its loop stood still for the time of a lease")
        elif self._leaving and tenure is None:
            self._finish()
        if not self._told_silent:
            self._told_silent = True
            log.warning("loop_silent", host_id=self._host_id, seconds=round(self._options.beat.seconds, 1))

    def _lose(self, reason: str) -> None:
        """The tenure is over. The next tick joins anew."""
        self._validity.end()
        if self._tenure is not None:
            lost, self._host_id = self._host_id, new_host_id()
            self._tenure = None
            self._notify(self._listener.lost, reason)
            log.warning("tenure_lost", host_id=lost, reason=reason)
        if self._leaving:
            self._finish()

    def _finish(self) -> None:
        """Leave; the row is deleted if the database can be reached, else it runs out."""
        self._has_ended = True
        self._validity.end()
        reason: str | None = None
        try:
            self._delete_rows()
        except StoreUnavailableError as error:
            reason = str(error)
        self._notify(self._listener.left)
        self.stop()
        if reason is not None:
            log.warning("host_row_not_deleted", host_id=self._host_id, reason=reason)
        log.info("host_left", host_id=self._host_id)

    def _pause(self) -> float:
        """Until the next tick: sooner after failures, and when the validity ends, in time to say so; and when
        another host's row has run out, so that nobody waits for more than that."""
        if self._failures == 0:
            return min(self._interval, max(self._next_expiry - self._clock(), 0.0) + JUST_AFTER_SECONDS)
        pause = doubled(RETRY_SECONDS, self._interval, self._failures - 1)
        return pause if self._tenure is None else max(0.0, min(pause, self._validity.remaining()))

    def _notify(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        try:
            self._options.deliver(callback, *args)
        except RuntimeError:
            # The loop is closed: the process is ending, and nobody is left to hear it.
            self._has_ended = True
            if not self.actor_stopped.is_set():
                self.stop()


def _by_heir(released: Mapping[PartitionID, str | None]) -> dict[str, list[int]]:
    """For the log: a hand-over is one line, however many partitions it is of."""
    heirs: dict[str, list[int]] = {}
    for partition, heir in released.items():
        heirs.setdefault(heir or "nobody", []).append(partition.number)
    return heirs
