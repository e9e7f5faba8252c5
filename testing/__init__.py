"""Testing workflows and activities: `WorkflowEnvironment`, `ActivityEnvironment` (docs/testing.md)."""

from dalsegno.extras import imports_of_extras

with imports_of_extras():
    from dalsegno.testing.activity import ActivityEnvironment
    from dalsegno.testing.environment import WorkflowEnvironment
    from dalsegno.testing.errors import (
        EnvironmentBrokenError,
        EnvironmentClosedError,
        MockSignatureError,
        TimeBackwardsError,
        WorkflowSuspendedError,
    )
    from dalsegno.testing.mocks import mocked
    from dalsegno.testing.worker import EnvironmentWorker

__all__ = [
    "ActivityEnvironment",
    "EnvironmentBrokenError",
    "EnvironmentClosedError",
    "EnvironmentWorker",
    "MockSignatureError",
    "TimeBackwardsError",
    "WorkflowEnvironment",
    "WorkflowSuspendedError",
    "mocked",
]
