"""Run as a program: reads the whole corpus with one reader, in a process that may not take much of anything.

    python -m tests.bad_input.bounded READER PROGRESS

The kernel ends it when one case takes more than CPU_SECONDS of the processor, and refuses it memory beyond
MEMORY_BYTES for any case; the file PROGRESS then names the case. It prints its findings, as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import structlog

from dalsegno.broker.protocol.codec import UnsupportedMessageError
from dalsegno.errors import InvalidMessageError
from tests.bad_input.corpus import CANARY, Case, Refusal, corpus
from tests.bad_input.readers import PLANTED, READERS, Read

CPU_SECONDS = 2
"""For one case. The slowest takes a few hundredths of it."""
MEMORY_BYTES = 64 * 1024 * 1024
"""For one case, above what the process has before the first."""
REASON_CHARACTERS_MAX = 400


def main(reader: str, progress: Path) -> None:
    # Standard output is for the findings alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    read = {**READERS, **PLANTED}[reader]
    cases = corpus()
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES,) * 2)
    findings = []
    with progress.open("w") as file:
        for case in cases:
            file.seek(0)
            file.write(f"{case.name}\n")
            file.flush()
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + CPU_SECONDS, hard))
            finding = fault_of(read, reader, case)
            if finding is not None:
                findings.append(f"{case.name}: {finding}")
    print(json.dumps({"cases": len(cases), "findings": findings}))


def fault_of(read: Read, reader: str, case: Case) -> str | None:
    """What is wrong with how a case is refused; None if nothing is."""
    try:
        read(case.message)
    except InvalidMessageError as error:
        unsupported = isinstance(error, UnsupportedMessageError)
        if reader != "worker" and unsupported is not (case.refusal is Refusal.UNSUPPORTED):
            return f"it is refused as {'unsupported' if unsupported else 'invalid'}"
        return fault_of_reason(error.reason)
    except BaseException as error:  # noqa: BLE001 - any other is a finding, whatever it is
        return f"{type(error).__name__}: {error}"
    return "it is taken"


def fault_of_reason(reason: str) -> str | None:
    if CANARY in reason:
        return "the reason quotes the message"
    if not 10 <= len(reason) <= REASON_CHARACTERS_MAX or not reason.isprintable():
        return "the reason is no sentence"
    if "MemoryError" in reason or "cannot be read" in reason:
        return f"it was refused for want of something better: {reason}"
    return None


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
