from __future__ import annotations

from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import StartWorkflow
from dalsegno.client import Client
from tests.client.conftest import IN_HASTE
from tests.client.fake_host import FakeHost, accepted
from tests.noted import Noted


async def test_a_request_that_is_sent_again_is_told_each_time(broker: Broker, host: FakeHost) -> None:
    noted = Noted()
    host.scripts[StartWorkflow] = lambda request: [accepted(request)] if len(host.requests) >= 3 else []
    async with Client(broker, observer=noted, timings=IN_HASTE) as client:
        await client.start("Order", id="order-1")
    assert len(host.of(StartWorkflow)) == 3
    assert noted.all == [("request_repeated", "workflow.start")] * 2
