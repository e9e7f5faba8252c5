"""The RabbitMQ adapter of the broker port, on aio-pika. RabbitMQ 3.10 and later, 4.x included.

session       two connections, dropped together; consumers and publishers are opened here
link          one connection: watched, every wait bounded
declare       exchanges, queues, bindings
tap, wire     the frames of the hot path, past the library
batch         publishers and consumers on tapped channels
plain         the same through the library, should the tap not fit it
failures      the library's errors in ours
"""

from dalsegno.broker.rabbitmq.link import Timings
from dalsegno.broker.rabbitmq.session import RabbitMQBroker, RabbitMQSession

__all__ = ["RabbitMQBroker", "RabbitMQSession", "Timings"]
