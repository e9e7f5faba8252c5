"""The contract of every broker, once more with the embedded broker in another process."""

from tests.broker.contract.test_dead_letters import *  # noqa: F403
from tests.broker.contract.test_deliveries import *  # noqa: F403
from tests.broker.contract.test_publishing import *  # noqa: F403
from tests.broker.contract.test_sessions import *  # noqa: F403
from tests.broker.contract.test_topology import *  # noqa: F403
