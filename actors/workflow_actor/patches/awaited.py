"""How user code asks whether a patch counts for its run.

What was found not to count stays so as long as the program stands behind the same sign: code that runs again is
told the same, for it comes by the same place first while it finds out what it had done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from dalsegno.actors.workflow_actor.patches.intents import TakePatch
from dalsegno.workflow import Info, PatchActivationInput

PATCHES_MAX = 1_000
"""Of one run. They are names in its code; more are made in a loop."""

Activates = Callable[[PatchActivationInput], bool]
"""Whether a patch is to count for a run that could take it. See `WorkflowRegistry`."""


class PatchLedger(Protocol):
    """(It is `loop.intent_ledger.IntentLedger`.)"""

    def want_another(self, intent: TakePatch) -> int: ...


class AskingRun(Protocol):
    """(It is `program.runtime.Runtime`.)"""

    @property
    def replaying(self) -> bool: ...
    @property
    def info(self) -> Info: ...


class PatchedCode(Protocol):
    """The program, as patches need it."""

    def reads(self, who: str, look: Callable[[], None]) -> object:
        """`look` may only read, and what it counts and draws is put back."""


class RunPatches:
    """`taken` by the run so far. `activates`: None if any patch is to count that can.

    It is called when code comes by for the first time only. So it may leave no trace that code which runs again
    would miss, and what it raises must decide nothing: user code that caught it would be told otherwise then.
    """

    __slots__ = ("_activates", "_broken_by", "_code", "_ledger", "_not_taken", "_taken")

    def __init__(
        self,
        ledger: PatchLedger,
        taken: Iterable[str],
        activates: Activates | None,
        code: PatchedCode,
        broken_by: Callable[[BaseException], None],
    ) -> None:
        """`broken_by`: the step has a bug, whether or not user code catches the error."""
        self._ledger = ledger
        self._code = code
        self._broken_by = broken_by
        self._taken = set(taken)
        self._not_taken: set[str] = set()
        self._activates = activates

    def at_sign(self) -> None:
        """What was asked before is as if it had not been: a program that begins there does not know of it."""
        self._not_taken.clear()

    def counts(self, patch_id: str, line: str, run: AskingRun) -> bool:
        """Raises ValueError for one too many, TypeError where `activates` says neither yes nor no, and what it
        raises; with each the step has a bug."""
        if patch_id in self._taken:
            return True
        if patch_id in self._not_taken:
            return False
        if run.replaying:
            self._not_taken.add(patch_id)
            return False
        try:
            is_to_count = self._is_to_count(patch_id, run)
        except BaseException as error:
            self._broken_by(error)
            raise
        if not is_to_count:
            self._not_taken.add(patch_id)
            return False
        self._ledger.want_another(TakePatch(patch_id=patch_id, line=line))
        self._taken.add(patch_id)
        return True

    def _is_to_count(self, patch_id: str, run: AskingRun) -> bool:
        answer: object = True
        if self._activates is not None:
            activates, asked = self._activates, PatchActivationInput(patch_id=patch_id, workflow_info=run.info)

            def look() -> None:
                nonlocal answer
                answer = activates(asked)

            self._code.reads("the patch activation callback", look)
        if not isinstance(answer, bool):
            raise TypeError(
                f"The patch activation callback must return True or False, and returned {answer!r} "
                f"for patch {patch_id!r}."
            )
        if answer and len(self._taken) >= PATCHES_MAX:
            raise ValueError(
                f"workflow.patched: a run may have {PATCHES_MAX:,} patches, and {patch_id!r} is one more: name "
                "changes of the code, not what it handles."
            )
        return answer
