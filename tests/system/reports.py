"""A workflow for schedules to start, on any stack."""

from __future__ import annotations

from dalsegno import ApplicationError, workflow


@workflow.defn
class Report:
    """Ends at once, or when it is told to."""

    def __init__(self) -> None:
        self.word: str | None = None

    @workflow.run
    async def run(self, what: str) -> str:
        if what == "go on":
            workflow.continue_as_new("wait")
        if what == "wait":
            await workflow.wait_condition(lambda: self.word is not None)
        if what == "fail" or self.word == "fail":
            raise ApplicationError("no paper")
        if what == "last" and workflow.has_last_completion_result():
            return f"after {workflow.get_last_completion_result(str)}"
        return f"{what} of {workflow.info().workflow_id}"

    @workflow.signal
    def end(self, word: str) -> None:
        self.word = word
