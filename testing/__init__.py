"""Testing workflows and activities: environments for both, and a `Replayer` (docs/testing.md)."""

from dalsegno.extras import imports_of_extras

with imports_of_extras():
    from dalsegno.rehearsal import NewerHistoryError, Outlook, UnusableHistoryError, WorkflowHistory
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
    from dalsegno.testing.replayer import (
        ReplayDiffersError,
        Replayer,
        ReplayFailedError,
        WorkflowReplayResult,
        WorkflowReplayResults,
        stored_histories,
    )
    from dalsegno.testing.worker import EnvironmentWorker

__all__ = [
    "ActivityEnvironment",
    "EnvironmentBrokenError",
    "EnvironmentClosedError",
    "EnvironmentWorker",
    "MockSignatureError",
    "NewerHistoryError",
    "Outlook",
    "ReplayDiffersError",
    "ReplayFailedError",
    "Replayer",
    "TimeBackwardsError",
    "UnusableHistoryError",
    "WorkflowEnvironment",
    "WorkflowHistory",
    "WorkflowReplayResult",
    "WorkflowReplayResults",
    "WorkflowSuspendedError",
    "mocked",
    "stored_histories",
]
