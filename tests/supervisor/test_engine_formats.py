"""Two releases on one database: what may be written is written, and what is newer is left as it is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.formats import format_of
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import query, signal, start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, sign, timer
from tests.workflow_actor.stored.two_releases import NEWER, OLDER

LATER = 2**52


def host(
    codec: StoredCodec, after: ScriptedWorld | None = None, *, written: int | None = None
) -> ScriptedWorld:
    """On the database that `after` has left. It has been told what may be `written`."""
    code = ScriptedCode([[timer(1, LATER)], [], [sign("[1]")], []])
    world = ScriptedWorld(code, codec=codec, settings=HostSettings(idle_seconds=1.0))
    if after is not None:
        world.database = after.database
    if written is not None:
        world.database.format_written = written
        world.engine.format_written(written)
    world.own(epoch=1 if after is None else 2)
    return world


def begun(codec: StoredCodec, *, written: int | None = None) -> ScriptedWorld:
    world = host(codec, written=written)
    world.deliver(start())
    world.go_on()
    return world


def formats_in(world: ScriptedWorld, workflow_id: str = "w") -> list[int]:
    return [format_of("record", row.events) for row in world.database.rows[workflow_id].journal]


# --- what is written -----------------------------------------------------------------------------------------


def test_a_newer_host_writes_the_first_format_until_it_is_told_another() -> None:
    world = begun(NEWER)
    world.deliver(signal("s1"))
    world.go_on()

    assert formats_in(world) == [1, 1]
    assert OLDER.decode_record(world.database.rows["w"].journal[1].events).sequence == 2


def test_what_is_in_memory_when_a_format_is_raised_is_written_in_it_from_then_on() -> None:
    world = begun(NEWER)
    world.engine.format_written(2)
    world.deliver(signal("s1"))
    world.deliver(start("start-2", "v"))
    world.go_on()

    assert formats_in(world) == [1, 2]
    assert formats_in(world, "v") == [2]


def test_what_is_on_its_way_into_memory_when_a_format_is_raised_is_written_in_it_as_well() -> None:
    world = host(NEWER, begun(NEWER))
    world.deliver(signal("s1"))
    world.run()
    assert world.loads == [(FIRST, "w")]
    world.loads.clear()
    steps = world.engine.partitions[FIRST].loading(world.database.load("w"))
    next(steps)
    world.engine.format_written(2)
    list(steps)  # the rest of them
    world.go_on()

    assert formats_in(world) == [1, 2]


def test_an_older_host_that_is_told_of_a_newer_format_writes_what_it_knows() -> None:
    world = begun(OLDER)
    world.engine.format_written(2)
    world.deliver(signal("s1"))
    world.go_on()

    assert formats_in(world) == [1, 1]


def test_a_snapshot_and_an_end_are_of_the_format_that_may_be_written() -> None:
    world = begun(NEWER, written=2)
    for name in ("s1", "s2"):
        world.deliver(signal(name))
        world.go_on()
    snapshot = world.database.rows["w"].snapshot
    assert snapshot is not None
    assert (snapshot.format, format_of("state", snapshot.body)) == (2, 2)

    world.deliver(terminate("t"))
    world.go_on()

    (result,) = (blob for blob in world.database.outcomes.values() if blob is not None)
    assert format_of("outcome", result) == 2


def test_who_waits_for_a_run_is_refused_while_the_first_format_is_written_and_told_by_the_next() -> None:
    world = begun(NEWER)
    asker = wire.RequestOf(workflow_id="asker", run_id="r", number=1)
    ask = encode(wire.AwaitEndOfWorkflow(workflow_id="w", answer_to=asker), message_id="await")
    tag = world.deliver(ask)
    world.go_on()
    assert world.acknowledged() == tag
    (refused,) = (decode(message) for message in world.sent if message.type == wire.WorkflowAnswered.TYPE)
    assert isinstance(refused, wire.WorkflowAnswered)
    assert refused.error is not None
    assert (refused.error.code, "dalsegno init" in refused.error.message) == ("rejected", True)

    world.engine.format_written(2)
    world.deliver(ask)
    world.deliver(terminate("t"))
    world.go_on(confirm=False)

    assert wire.WorkflowEnded.TYPE in [message.type for message in world.sent]


# --- what is read --------------------------------------------------------------------------------------------


def test_a_newer_host_goes_on_with_what_an_older_one_has_stored() -> None:
    before = begun(OLDER)
    world = host(NEWER, before, written=2)
    tag = world.deliver(signal("s1"))
    world.go_on()

    assert world.acknowledged() == tag
    assert formats_in(world) == [1, 2]
    assert world.status() is WorkflowStatus.RUNNING


def test_an_older_host_goes_on_with_what_a_newer_one_has_stored_before_the_raise() -> None:
    before = begun(NEWER)
    world = host(OLDER, before)
    tag = world.deliver(signal("s1"))
    world.go_on()

    assert world.acknowledged() == tag
    assert formats_in(world) == [1, 1]


# --- what is newer -------------------------------------------------------------------------------------------


def meets_what_is_newer() -> ScriptedWorld:
    """An older host, that has heard of no raise, owns a partition whose rows a newer one has written."""
    return host(OLDER, begun(NEWER, written=2))


def test_a_host_that_meets_what_is_newer_gives_the_partition_up_as_it_is() -> None:
    world = meets_what_is_newer()
    consumer = world.consumers[FIRST]
    before = world.database.rows["w"]
    marker = consumer.acknowledged
    with capture_logs() as logs:
        for name in ("s1", "s2"):
            world.deliver(signal(name))
        world.deliver(start("start-3", "another"))
        world.deliver(query("q"))
        world.live_through(5)

    assert (world.released, world.refused) == ([(FIRST, 2)], {FIRST})
    assert world.engine.partitions == {}
    assert consumer.acknowledged == marker, "all of it is to come again, elsewhere"
    assert world.database.rows["w"] == before
    assert world.database.mail == {}
    assert world.database.shown == {}
    assert [reply.workflow_id for reply in world.replies()] == ["another"]
    assert not [message for message in world.sent if "x-dalsegno-reason" in message.headers]
    (told,) = (entry for entry in logs if entry["event"] == "newer_state")
    assert "format 2" in told["reason"]
    assert told["partition"] == FIRST.number
    assert "reads formats up to 1" in told["reason"]


def test_who_reads_it_goes_on_where_the_older_host_has_given_up() -> None:
    before = meets_what_is_newer()
    before.deliver(signal("s1"))
    before.live_through(5)
    world = host(NEWER, before, written=2)
    tag = world.deliver(signal("s1"), redelivered=True)
    world.go_on()

    assert world.acknowledged() == tag
    assert formats_in(world) == [2, 2]


def test_who_has_not_been_told_yet_goes_on_with_what_is_of_a_format_that_it_knows_in_that() -> None:
    """Another host has raised it a moment ago. An open update cannot be stored in the first."""
    before = begun(NEWER, written=3)
    update = wire.UpdateWorkflow(workflow_id="w", name="u", update_id="u", wait_for="admitted")
    before.deliver(encode(update, message_id="update"))
    before.go_on()
    world = host(NEWER, before)
    tag = world.deliver(signal("s1"))
    world.deliver(start("start-2", "v"))
    world.go_on()

    assert world.acknowledged() == tag + 1
    snapshot = world.database.rows["w"].snapshot
    assert snapshot is not None
    assert (snapshot.format, formats_in(world, "v")) == (3, [1])


def test_a_wake_up_of_what_is_newer_gives_the_partition_up_too() -> None:
    before = begun(NEWER, written=2)
    row = before.database.rows["w"]
    before.database.rows["w"] = replace(row, wake_at=before.now())
    world = host(OLDER, before)
    world.live_through(15)

    assert world.released == [(FIRST, 2)]
    assert world.database.rows["w"] == replace(row, wake_at=before.now())


def test_a_format_that_nobody_may_write_is_damage_and_harms_its_instance_alone() -> None:
    world = meets_what_is_newer()
    world.database.format_written = 1
    tag = world.deliver(signal("s1"))
    world.live_through(5)

    assert world.released == []
    assert world.acknowledged() == tag
    assert len(world.database.mail) == 1
    status, reason = world.database.shown[world.database.rows["w"].run_id]
    assert status is WorkflowStatus.SUSPENDED
    assert reason is not None
    assert "its format is 2" in reason


@pytest.mark.parametrize("written", [1, 2])
def test_damage_that_has_no_format_is_judged_by_who_reads_all_that_may_be_written(written: int) -> None:
    """A column that an older host cannot read may be a newer one's."""
    world = host(OLDER, begun(OLDER))
    world.database.format_written = written
    world.database.unreadable.add("w")
    world.deliver(signal("s1"))
    world.live_through(5)

    assert world.released == ([] if written == 1 else [(FIRST, 2)])
    assert len(world.database.mail) == (1 if written == 1 else 0)


def test_nothing_is_decided_before_the_database_has_said_what_may_be_written() -> None:
    world = meets_what_is_newer()
    world.deliver(signal("s1"))
    world.run()
    world.loaded()
    world.pass_time(60)
    assert world.formats_asked == [(FIRST, "w")]
    assert (world.released, world.database.mail) == ([], {})

    world.formats_found()

    assert world.released == [(FIRST, 2)]


def test_an_answer_that_comes_when_the_partition_is_gone_changes_nothing() -> None:
    world = meets_what_is_newer()
    world.deliver(signal("s1"))
    world.run()
    world.loaded()
    world.engine.lease_lost(FIRST)

    world.formats_found()

    assert world.released == []


@pytest.mark.parametrize("of", ["memo", "result"])
@pytest.mark.parametrize("written", [1, 2])
def test_who_stands_in_since_before_a_forced_raise_writes_nothing_over_what_is_newer(
    written: int, of: str
) -> None:
    """A memo that cannot be read would be written back as an empty one, should somebody end the workflow."""
    world = host(OLDER, begun(OLDER))
    world.database.unreadable.add("w")
    world.deliver(signal("s1"))
    world.run()
    world.loaded()
    world.formats_found()
    assert world.remains_asked == [(FIRST, "w")]
    row, blob = world.database.rows["w"], bytes([0x92, 2]) + b"of a newer version"
    if of == "memo":
        world.database.memos[row.run_id] = blob
    else:
        row = world.database.rows["w"] = replace(row, status=WorkflowStatus.COMPLETED)
        world.database.outcomes[row.run_id] = blob
    world.database.format_written = written
    with capture_logs() as logs:
        world.live_through(5)

    if written == 2:
        told = [entry["partition"] for entry in logs if entry["event"] == "newer_state"]
        assert told == [FIRST.number]
        assert (world.released, world.refused) == ([(FIRST, 2)], {FIRST})
        assert (world.database.rows["w"], world.database.mail) == (row, {})
        return
    # As broken as any bytes: what is known without them stands in.
    tag = world.deliver(terminate("t"))
    world.live_through(5)
    assert world.released == []
    assert world.acknowledged() == tag
    snapshot = world.database.rows["w"].snapshot
    assert (snapshot is not None) == (of == "memo"), "it is ended, if it was open"
