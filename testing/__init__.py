"""Testing workflows and activities: environments for both, and a `Replayer` (docs/testing.md)."""

from dalsegno.extras import imports_of_extras

with imports_of_extras():
    from dalsegno.rehearsal import NewerHistoryError, Outlook, UnusableHistoryError, WorkflowHistory
    from dalsegno.testing.activity import ActivityEnvironment
    from dalsegno.testing.crash_sweep import CrashReport, crash_everywhere
    from dalsegno.testing.environment import WorkflowEnvironment
    from dalsegno.testing.errors import (
        BrokenByCrashError,
        CrashCoverageError,
        EnvironmentBrokenError,
        EnvironmentClosedError,
        MockSignatureError,
        StuckError,
        TimeBackwardsError,
        UnhandledEndError,
        UnrepeatableScenarioError,
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
    "BrokenByCrashError",
    "CrashCoverageError",
    "CrashReport",
    "EnvironmentBrokenError",
    "EnvironmentClosedError",
    "EnvironmentWorker",
    "MockSignatureError",
    "NewerHistoryError",
    "Outlook",
    "ReplayDiffersError",
    "ReplayFailedError",
    "Replayer",
    "StuckError",
    "TimeBackwardsError",
    "UnhandledEndError",
    "UnrepeatableScenarioError",
    "UnusableHistoryError",
    "WorkflowEnvironment",
    "WorkflowHistory",
    "WorkflowReplayResult",
    "WorkflowReplayResults",
    "WorkflowSuspendedError",
    "crash_everywhere",
    "mocked",
    "stored_histories",
]
