"""The HostSupervisor on its own thread, by the real clock."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, TypeVarTuple

from dalsegno.actors.supervisor.membership.host_supervisor import (
    HostOptions,
    HostSupervisor,
    Leave,
    Released,
)
from dalsegno.actors.supervisor.membership.loop_beat import LoopBeat
from dalsegno.actors.supervisor.membership.validity import Validity
from dalsegno.persistence.port import Membership, Store
from tests.partition_ids import GENERATION, nths
from tests.servers import wait_until
from tests.supervisor.membership.seat import PARTITIONS, TTL, Desk, Faulty, at_once

Ts = TypeVarTuple("Ts")


def start(membership: Callable[[], Membership], desk: Desk, validity: Validity, ttl: float) -> Any:
    return HostSupervisor.start(
        HostOptions(
            membership=membership,
            host_id="host-a",
            generation=GENERATION,
            version="1",
            listener=desk,
            deliver=at_once,
            validity=validity,
            beat=LoopBeat(inf),
            lease_ttl_seconds=ttl,
        )
    )


def test_the_lease_is_renewed_by_the_actors_own_thread(store: Store, outside: Membership) -> None:
    desk, validity = Desk(), Validity()
    actor = start(store.membership, desk, validity, ttl=2.0)
    try:
        wait_until(lambda: len(desk.heard("time")) > 0, 10, "joining")
        (first,) = outside.cluster().hosts
        wait_until(lambda: outside.cluster().hosts[0].expires_at > first.expires_at, 10, "a renewal")
        assert validity.holds("host-a")
        actor.tell(Leave())
        wait_until(lambda: len(desk.heard("wanted")) == PARTITIONS, 10, "the wish to drain")
        for partition, epoch in desk.leases.items():
            actor.tell(Released(partition, epoch))
        wait_until(lambda: not actor.is_alive(), 10, "the end of the actor")
    finally:
        if actor.is_alive():
            actor.stop()

    assert desk.heard("left") == [("left",)]
    assert outside.cluster().hosts == ()
    assert not validity.holds("host-a")


def test_while_the_store_is_unreachable_the_ticks_come_sooner(store: Store) -> None:
    membership = Faulty(store.membership())
    membership.unreachable = True
    desk = Desk()
    actor = start(lambda: membership, desk, Validity(), ttl=1000.0)
    try:
        wait_until(lambda: len(membership.calls) >= 3, 30, "the third try")
        membership.unreachable = False
        wait_until(lambda: len(desk.leases) == PARTITIONS, 30, "joining")
    finally:
        actor.stop()


def test_what_a_dead_host_owned_is_taken_when_its_row_runs_out_and_not_at_the_next_renewal(
    store: Store, outside: Membership
) -> None:
    outside.join("host-b", ttl=1_000_000, version="1")
    outside.take(nths(PARTITIONS), "host-b")
    desk = Desk()
    actor = start(store.membership, desk, Validity(), ttl=1000.0)
    try:
        wait_until(lambda: len(desk.leases) == PARTITIONS, 30, "the take-over")
    finally:
        actor.stop()


def test_an_error_that_nobody_can_mend_ends_the_actor_and_the_validity(store: Store) -> None:
    membership = Faulty(store.membership())
    membership.results["cluster"] = "nonsense"
    desk, validity = Desk(), Validity()
    actor = start(lambda: membership, desk, validity, ttl=TTL)

    wait_until(lambda: not actor.is_alive(), 10, "the end of the actor")
    wait_until(lambda: bool(desk.heard("failed")), 10, "word of it")

    assert not validity.holds("host-a")


def test_when_the_loop_is_closed_the_actor_ends(store: Store) -> None:
    def closed(callback: Callable[[*Ts], object], /, *args: *Ts) -> object:
        raise RuntimeError("Event loop is closed")

    actor = HostSupervisor.start(
        HostOptions(
            membership=store.membership,
            host_id="host-a",
            generation=GENERATION,
            version="1",
            listener=Desk(),
            deliver=closed,
            validity=Validity(),
            beat=LoopBeat(inf),
        )
    )

    wait_until(lambda: not actor.is_alive(), 10, "the end of the actor")
