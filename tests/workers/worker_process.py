"""A worker as a process of its own: `python -m tests.workers.worker_process URL FOLDER`.

Its activity `work` writes begun.<pid> into the folder, waits for the file `go`, and returns its pid. The other,
`waits_for_file`, runs in a process of the worker's.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from dalsegno import activity
from dalsegno.workers import Worker
from tests.workers.in_processes import waits_for_file


async def main(url: str, folder: Path) -> None:
    @activity.defn
    async def work() -> int:
        (folder / f"begun.{os.getpid()}").touch()
        while not (folder / "go").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        return os.getpid()

    await Worker(url, activities=[work, waits_for_file]).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
