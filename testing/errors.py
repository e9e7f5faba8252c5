"""What goes wrong with an environment, or is found by it.

DalsegnoError
├── EnvironmentClosedError      it was used after its end
├── EnvironmentBrokenError      its host has ended by a defect
├── TimeBackwardsError          time was asked to run backwards
├── WorkflowSuspendedError      whoever waits for a workflow would wait for ever
├── StuckError                  so would whoever waits in a scenario that is disturbed, or explored
├── UnrepeatableScenarioError   a scenario does not do the same twice
├── BrokenByCrashError          a scenario bears no fault (an AssertionError, too)
├── UnhandledEndError           a workflow ends, or does not, as nobody has meant it (an AssertionError, too)
├── CrashCoverageError          it was disturbed at too few of its points (an AssertionError, too)
└── DefinitionError
    └── MockSignatureError      a mock cannot be called as its activity is
"""

from __future__ import annotations

from dalsegno.definition import described
from dalsegno.errors import DalsegnoError, DefinitionError


class EnvironmentClosedError(DalsegnoError):
    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was used after its end: keep what uses it inside `async with`, or do not shut it down yet."
        )


class EnvironmentBrokenError(DalsegnoError):
    """A defect of dalsegno's own; its cause has the place."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The host of this environment has ended by a defect: {reason}.")


class TimeBackwardsError(DalsegnoError):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"Time cannot run backwards: it was asked to go on by {seconds:g} s; give 0 or more.")


class WorkflowSuspendedError(DalsegnoError):
    """It waits for its code to be mended, which nobody does in a test."""

    def __init__(self, workflow_id: str, reason: str) -> None:
        super().__init__(f"Workflow {workflow_id!r} is suspended: {reason}")
        self.workflow_id = workflow_id
        self.reason = reason


class MockSignatureError(DefinitionError):
    """A mock cannot be called as the activity that it stands for."""

    def __init__(self, activity: object, mock: str, fault: str) -> None:
        super().__init__(f"The mock of {described(activity)} does not fit: {mock} {fault}.")


class StuckError(DalsegnoError):
    def __init__(self) -> None:
        super().__init__("It waits, but nothing is under way, and nothing is due: it would wait for ever.")


class UnrepeatableScenarioError(DalsegnoError):
    """`crash_everywhere` runs it twice undisturbed before all else."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The scenario cannot be run again and again: {why}. Make all that it needs within it, and give "
            "its workflows the same IDs each time."
        )


class BrokenByCrashError(DalsegnoError, AssertionError):
    """`faults` are the fewest that it takes, as `only=` takes them; the cause is the scenario's own error."""

    def __init__(self, text: str, *, faults: tuple[str, ...], seed: int) -> None:
        super().__init__(text)
        self.faults = faults
        self.seed = seed


class CrashCoverageError(DalsegnoError, AssertionError):
    def __init__(self, report: object, minimum: float) -> None:
        super().__init__(f"{report}: less than the minimum coverage of {minimum:.0%}.")


class UnhandledEndError(DalsegnoError, AssertionError):
    """`story` is what it has lived through."""

    def __init__(self, story: object, end: str) -> None:
        super().__init__(f"The workflow {end}. Its story: {story}")
        self.story = story
