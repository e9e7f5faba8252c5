"""A process that owns an embedded broker until it is told to stop, or killed.

Run as `python owner.py FILE`: prints `serving`, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from dalsegno.broker.embedded import EmbeddedServer
from dalsegno.errors import ConfigurationError


class OwnerProcess:
    """Started on entry, stopped on exit; `kill` is kill -9."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Its first line: `serving`, or why it cannot."""
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self._path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._reap()

    def stop(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.close()
        self._reap()

    def __enter__(self) -> OwnerProcess:
        assert self.start() == "serving"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def _reap(self) -> None:
        assert (
            self._process is not None and self._process.stdout is not None and self._process.stdin is not None
        )
        self._process.wait(timeout=20)
        self._process.stdin.close()
        self._process.stdout.close()


async def _serve(path: str) -> None:
    try:
        async with EmbeddedServer(path):
            sys.stdout.write("serving\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
    except ConfigurationError as error:
        sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    import structlog

    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
    asyncio.run(_serve(sys.argv[1]))
