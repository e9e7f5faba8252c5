"""Exit codes, and errors as one sentence on standard error.

0  done
1  refused, or the workflow did not complete
2  a person must mend something: usage, URL, password, tables, code that cannot be imported
3  something is not there just now: no broker, no database, no answer
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from dalsegno.broker.url import redact
from dalsegno.cli.output import plain
from dalsegno.errors import (
    ConfigurationError,
    DalsegnoError,
    PayloadError,
    TransientError,
    WorkflowFailedError,
)

FAILED = 1
USAGE = 2
UNAVAILABLE = 3


def exit_code_of(error: BaseException) -> int:
    if isinstance(error, ConfigurationError | PayloadError):
        return USAGE
    if isinstance(error, TransientError | TimeoutError):
        return UNAVAILABLE
    return FAILED


def sentence_of(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    cause = error.__cause__
    if isinstance(error, WorkflowFailedError) and cause is not None:
        text = f"{text} {type(cause).__name__}: {cause}"
    return plain(redact(text))


def guarded(body: Callable[[], Any]) -> int:
    """Run a command's body; what it raises becomes a sentence and an exit code."""
    try:
        body()
    except (DalsegnoError, TimeoutError) as error:
        print(f"dalsegno: {sentence_of(error)}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        return 130
    return 0
