"""Code that is not run: for a start whose first step has killed its host before. The start is recorded, and its
run is suspended, where the code itself would kill the next host."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import UNVERSIONED, Code, Program, WorkflowCodeError
from dalsegno.actors.workflow_actor.run.inputs import SignedState


class QuarantinedCode:
    """A Code that has every type and builds none."""

    def __init__(self, code: Code, reason: str) -> None:
        self._code = code
        self._reason = reason

    def fingerprint(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> str:
        return self._code.fingerprint(task_queue, workflow_type, version)

    def sets_signals_aside(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> bool:
        return self._code.sets_signals_aside(task_queue, workflow_type, version)

    def build(self, info: RunInfo, signed: SignedState, patches: Sequence[str] = ()) -> Program | None:
        raise WorkflowCodeError(self._reason)
