"""What a client does while broker and hosts are not what they should be."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno.broker.port import Binding, Broker, Message, Outcome, Outgoing
from dalsegno.broker.protocol.messages import AwaitResult, SignalWorkflow, StartWorkflow
from dalsegno.broker.topology import COMMANDS_EXCHANGE, CONTROL_QUEUE, partition_queue, routing_key_of, slot_of
from dalsegno.client import Client, NamespaceMissingError, NoAnswerError
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, InvalidMessageError, TransientError
from tests.broker.witness import eventually
from tests.client.conftest import IN_HASTE
from tests.client.fake_host import PARTITIONS, FakeHost, answer, default_script, refused
from tests.client.flaky_broker import FlakyBroker
from tests.partition_ids import nth


def ids_of(host: FakeHost) -> set[str | None]:
    return {request.message_id for request in host.requests}


# --- answers that do not come ------------------------------------------------------------------------------


async def test_a_command_without_an_answer_is_sent_again_with_its_message_id(
    client: Client, host: FakeHost
) -> None:
    host.scripts[SignalWorkflow] = lambda request: [answer(request)] if request.earlier == 2 else []
    await client.get_workflow_handle("w-1").signal("approve", "alice")
    assert len(host.requests) == 3
    assert len(ids_of(host)) == 1
    assert len(set(map(str, host.of(SignalWorkflow)))) == 1


async def test_a_second_answer_is_nobody_s(client: Client, host: FakeHost) -> None:
    host.scripts[SignalWorkflow] = lambda request: [answer(request), answer(request)]
    handle = client.get_workflow_handle("w-1")
    await handle.signal("first")
    host.scripts[SignalWorkflow] = lambda request: [refused("closed")]
    with pytest.raises(Exception, match="no"):
        await handle.signal("second")
    assert [signal.name for signal in host.of(SignalWorkflow)] == ["first", "second"]


async def test_answers_find_their_own_question(client: Client, host: FakeHost) -> None:
    host.silent = True
    starts = [asyncio.ensure_future(client.start("Order", id=f"w-{number}")) for number in range(20)]
    requests = await host.received(StartWorkflow, 20)
    for request in reversed(requests):
        for reply in default_script(request):
            host.send(request, reply)
    handles = await asyncio.gather(*starts)
    assert [handle.id for handle in handles] == [f"w-{number}" for number in range(20)]


async def test_without_a_host_the_error_asks_for_one(client: Client, host: FakeHost) -> None:
    host.silent = True
    with pytest.raises(NoAnswerError, match=r"No host answered workflow.start within 1 s.*is one running"):
        await client.start("Order", id="w-1", timeout=1)
    assert isinstance(NoAnswerError(""), TransientError)
    assert len(ids_of(host)) == 1


async def test_what_timed_out_can_be_repeated_as_the_same_message(client: Client, host: FakeHost) -> None:
    host.silent = True
    handle = client.get_workflow_handle("w-1")
    with pytest.raises(TransientError):
        await handle.signal("approve", message_id="m-1", timeout=0.05)
    host.silent = False
    await handle.signal("approve", message_id="m-1")
    assert ids_of(host) == {"m-1"}


async def test_a_command_is_sent_again_while_hosts_hand_over(client: Client, host: FakeHost) -> None:
    host.scripts[SignalWorkflow] = lambda request: [answer(request) if request.earlier else refused("moved")]
    await client.get_workflow_handle("w-1").signal("approve")
    assert len(host.requests) == 2
    assert len(ids_of(host)) == 1


async def test_an_answer_that_cannot_be_read_is_told(
    client: Client, host: FakeHost, embedded_broker: Broker
) -> None:
    host.silent = True
    asking = asyncio.ensure_future(client.get_workflow_handle("w-1").signal("approve"))
    (request,) = await host.received(SignalWorkflow)
    session = await embedded_broker.connect(on_closed=lambda reason: None)
    publisher = await session.open_publisher(on_closed=lambda reason: None)
    garbage = Message(body=b"\xff", type="reply", message_id="r-1", correlation_id=request.correlation_id)
    publisher.publish([Outgoing("", request.reply_to, garbage, lambda outcome: None)])
    with pytest.raises(InvalidMessageError, match="CBOR"):
        await asking
    await session.close()


# --- a broker that breaks ----------------------------------------------------------------------------------


async def test_a_command_under_way_survives_the_loss_of_its_link(
    client: Client, host: FakeHost, broker: FlakyBroker
) -> None:
    host.silent = True
    asking = asyncio.ensure_future(client.get_workflow_handle("w-1").signal("approve"))
    (before,) = await host.received(SignalWorkflow)
    host.silent = False
    await broker.cut()
    await asking
    assert ids_of(host) == {before.message_id}
    assert host.requests[-1].reply_to != before.reply_to


async def test_a_client_comes_back_when_the_broker_does(
    client: Client, host: FakeHost, broker: FlakyBroker
) -> None:
    broker.is_down = True
    await broker.cut()
    asking = asyncio.ensure_future(client.start("Order", id="w-1"))
    with pytest.raises(
        BrokerUnavailableError, match=r"workflow.signal did not succeed within 0.5 s: connection refused"
    ):
        await client.get_workflow_handle("w-1").signal("approve", timeout=0.5)
    assert not host.requests
    broker.is_down = False
    assert (await asking).id == "w-1"


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.REFUSED])
async def test_what_the_broker_did_not_take_is_published_again_with_the_same_id(
    client: Client, host: FakeHost, broker: FlakyBroker, outcome: Outcome
) -> None:
    broker.outcomes.extend([outcome] * 3)
    await client.get_workflow_handle("w-1").signal("approve", message_id="m-1")
    assert not broker.outcomes
    assert ids_of(host) == {"m-1"}


async def test_a_full_queue_is_named_when_time_is_up(client: Client, broker: FlakyBroker) -> None:
    broker.outcomes.extend([Outcome.REFUSED] * 1000)
    with pytest.raises(BrokerUnavailableError, match="a queue is full"):
        await client.start("Order", id="w-1", timeout=0.5)


async def test_one_attempt_to_reconnect_serves_all_who_wait(
    client: Client, host: FakeHost, broker: FlakyBroker
) -> None:
    await broker.cut()
    await asyncio.gather(*(client.start("Order", id=f"w-{number}") for number in range(20)))
    assert len(broker.sessions) == 1


async def test_a_cancelled_call_leaves_the_others_their_new_link(
    client: Client, host: FakeHost, broker: FlakyBroker
) -> None:
    await broker.cut()
    first = asyncio.ensure_future(client.start("Order", id="w-1"))
    second = asyncio.ensure_future(client.start("Order", id="w-2"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).id == "w-2"


# --- a namespace that is not there -------------------------------------------------------------------------


async def test_a_namespace_that_does_not_exist_is_a_matter_of_configuration(embedded_broker: Broker) -> None:
    with pytest.raises(NamespaceMissingError, match="Run `dalsegno init`"):
        async with Client(embedded_broker, timings=IN_HASTE):
            pass
    assert issubclass(NamespaceMissingError, ConfigurationError)


async def test_a_client_waits_a_moment_for_a_namespace_that_is_being_made(
    broker: FlakyBroker, embedded_broker: Broker
) -> None:
    host = FakeHost(embedded_broker)

    async def make_namespace() -> None:
        await eventually(lambda: bool(broker.sessions), "a first look of the client")
        await host.start()

    making = asyncio.ensure_future(make_namespace())
    async with Client(broker) as client:
        assert (await client.ping()).host_id == "host-a"
    await making
    await host.close()


async def test_a_command_that_no_queue_takes_is_told_and_not_repeated_for_ever(
    client: Client, host: FakeHost, embedded_broker: Broker
) -> None:
    session = await embedded_broker.connect(on_closed=lambda reason: None)
    queue = partition_queue(nth(slot_of("w-1") % PARTITIONS))
    await session.unbind([Binding(COMMANDS_EXCHANGE, routing_key_of("w-1"), queue)])
    with pytest.raises(NamespaceMissingError):
        await client.start("Order", id="w-1")
    assert (await client.start("Order", id="w-2")).id == "w-2"
    await session.close()


async def test_a_namespace_that_went_away_is_noticed_when_the_link_is_made_anew(
    client: Client, host: FakeHost, broker: FlakyBroker, embedded_broker: Broker
) -> None:
    session = await embedded_broker.connect(on_closed=lambda reason: None)
    await session.delete_queue(CONTROL_QUEUE)
    await broker.cut()
    with pytest.raises(NamespaceMissingError):
        await client.start("Order", id="w-1")
    await session.close()


# --- the end -----------------------------------------------------------------------------------------------


async def test_closing_ends_the_calls_that_are_under_way(client: Client, host: FakeHost) -> None:
    host.silent = True
    asking = asyncio.ensure_future(client.get_workflow_handle("w-1").result())
    await host.received(AwaitResult)
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await asking
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.start("Order", id="w-1")


async def test_connecting_to_a_broker_that_is_down_ends_in_time(broker: FlakyBroker) -> None:
    broker.is_down = True
    with pytest.raises(
        BrokerUnavailableError, match=r"Connecting did not succeed within 0.5 s: connection refused"
    ):
        async with Client(broker, timeout=0.5, timings=IN_HASTE):
            pass
