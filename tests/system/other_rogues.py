"""The code of `rogues` deployed from another file: other code, which does the same."""

from __future__ import annotations

from dalsegno import workflow
from tests.system import rogues


@workflow.defn(name="Rogue")
class OtherRogue(rogues.Rogue):
    @workflow.run
    async def run(self, way: str | None) -> list[str]:
        return await super().run(way)
