"""A host's part in the negotiation of stored formats: it says what it reads, grants, and tells its loop."""

from __future__ import annotations

import pytest

from dalsegno.errors import NewerFormatError
from dalsegno.persistence.port import Membership, Store
from tests.supervisor.membership.seat import TTL, Host, owners

HOUR = 3_600_000_000


def test_a_host_says_what_it_reads(store: Store, outside: Membership) -> None:
    Host(store, "host-a", format_read=2).tick()
    assert [(row.host_id, row.format_read) for row in outside.cluster().hosts] == [("host-a", 2)]


def test_the_format_is_told_before_the_first_leases_and_only_when_it_is_not_the_first(
    store: Store, outside: Membership
) -> None:
    first = Host(store, "host-a", format_read=2)
    first.tick()
    assert first.desk.heard("format") == []
    outside.ask_format(2)
    outside.expire("host-a")
    second = Host(store, "host-b", format_read=2)

    second.tick()

    assert [told[0] for told in second.desk.heard("format", "gained")] == ["format", "gained"]
    second.tick()
    assert second.desk.heard("format") == []


def test_any_host_grants_what_was_asked_for_once_the_last_that_does_not_read_it_is_gone(
    store: Store, outside: Membership
) -> None:
    host = Host(store, "host-a", format_read=2)
    outside.join("old", ttl=HOUR, version="1", format_read=1)
    host.tick()
    assert outside.ask_format(2).format_written == 1
    host.tick()
    assert host.desk.heard("format") == []
    assert "raise_format" not in [name for name, _ in host.membership.calls], "it can see that it is in vain"

    outside.expire("old")
    host.tick()

    assert host.desk.heard("format") == [("format", 2)]
    assert outside.cluster().format_written == 2


def test_a_raise_that_another_host_made_is_told_too(store: Store, outside: Membership) -> None:
    host = Host(store, "host-a", format_read=2)
    host.tick()
    outside.ask_format(2)
    host.tick()
    assert host.desk.heard("format") == [("format", 2)]


def test_an_answer_to_the_raise_that_was_lost_costs_no_lease_and_is_found_out_by_looking(
    store: Store, outside: Membership
) -> None:
    host = Host(store, "host-a", format_read=2)
    outside.join("old", ttl=HOUR, version="1", format_read=1)
    outside.ask_format(2)
    outside.expire("old")
    host.membership.answers_lost.add("raise_format")

    host.tick()

    assert set(owners(outside)) == {"host-a"}
    host.tick()
    assert host.desk.heard("format", "lost") == [("format", 2)]


def test_a_host_that_froze_while_a_newer_format_was_raised_ends_and_holds_nothing(
    store: Store, outside: Membership
) -> None:
    host = Host(store, "host-a", format_read=1)
    host.tick()
    outside.expire("host-a")
    assert outside.ask_format(2).format_written == 2
    host.clock.now += TTL
    host.tick()
    assert [told[0] for told in host.desk.heard("lost")] == ["lost"]

    with pytest.raises(NewerFormatError, match="upgrade dalsegno"):
        host.tick()

    assert outside.cluster().hosts == ()
    assert not host.validity.holds(host.id)


def test_a_database_that_is_away_for_a_while_is_no_reason_to_tell_it_again(
    store: Store, outside: Membership
) -> None:
    host = Host(store, "host-a", format_read=2)
    outside.ask_format(2)
    host.tick()
    host.membership.unreachable = True
    host.tick()
    host.membership.unreachable = False
    host.tick()
    assert host.desk.heard("format") == [("format", 2)]
