"""Exit codes, and errors as one sentence on standard error.

0  done
1  refused, or the workflow did not complete
2  a person must mend something: usage, URL, password, tables, code that cannot be imported
3  something is not there just now: no broker, no database, no answer
4  a newer version of dalsegno has written what this one does not read
5  of `why`: it is stuck
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from io import RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.exceptions import TyperException

from dalsegno import given
from dalsegno.broker.redaction import redact
from dalsegno.cli.output import plain
from dalsegno.errors import (
    CommandRejectedError,
    ConfigurationError,
    DalsegnoError,
    PayloadError,
    TransientError,
    WorkflowFailedError,
)
from dalsegno.extras import missing_extra

DONE = 0
FAILED = 1
USAGE = 2
UNAVAILABLE = 3
NEWER = 4
STUCK = 5
EXAMPLE_USER = "user:password@"
"""In the URLs that errors give as examples."""
INTERRUPTED = 130
"""As shells have it for Ctrl-C."""
BROKEN_PIPE = 141
"""As shells have it for a program whose reader (`| head`) has left."""


class NewerRowsError(DalsegnoError):
    """A newer version has written what was asked for."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; use the command line of the version that the hosts have.")


def exit_code_of(error: BaseException) -> int:
    match error:
        case TransientError() | TimeoutError() | ConnectionError():
            return UNAVAILABLE
        case NewerRowsError():
            return NEWER
        case ConfigurationError() | PayloadError() | OSError():
            return USAGE
        case CommandRejectedError(code="invalid"):
            return USAGE
        case _:
            return FAILED


def sentence_of(error: BaseException) -> str:
    """What is wrong, without passwords, on one line."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        # Only streams have no name, and only standard output may fail.
        text = f"cannot use {error.filename or 'standard output'}: {error.strerror}"
    cause = error.__cause__
    if isinstance(error, WorkflowFailedError):
        text = f"{text} {_causes(cause)}".rstrip()
    # Ours, which show how a URL is written, are left as they are.
    return plain(EXAMPLE_USER.join(map(redact, text.split(EXAMPLE_USER))))


def _causes(error: BaseException | None) -> str:
    """A chain of causes as one clause; what a cause only repeats is left out."""
    told: list[str] = []
    while error is not None:
        text = str(error).strip().rstrip(".")
        if text and not any(text in earlier for earlier in told):
            told.append(text)
        error = error.__cause__
    return "; ".join(told)


def complain(sentence: str) -> None:
    print(f"dalsegno: {sentence}", file=sys.stderr, flush=True)


def _usable(stream: TextIO | None) -> TextIO:
    """A terminal that cannot show a character, or a stream that was closed before we began, is no reason to
    fail."""
    if stream is None:
        return Path(os.devnull).open("w")
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


class _Said(RawIOBase):
    """A stream for what is said by the way: that nobody can hear it changes nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        copy = bytes(data)  # type: ignore[call-overload]  # whatever has a buffer
        rest = copy
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        return len(copy)

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def _usable_for_words(stream: TextIO | None) -> TextIO:
    if not isinstance(stream, TextIOWrapper):
        return _usable(stream)
    try:
        said = _Said(stream.fileno())
    except OSError:  # it is no file, as where a program that calls us catches what is said
        return _usable(stream)
    # It need not be buffered.
    return TextIOWrapper(said, stream.encoding, errors="backslashreplace", line_buffering=True)  # type: ignore[type-var]


def command_line(command: Any, arguments: list[str] | None) -> int:
    """Run a typer command; whatever it raises becomes a sentence and an exit code."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout, sys.stderr = _usable(sys.stdout), _usable_for_words(sys.stderr)
    try:
        outcome = command.main(args=arguments, prog_name="dalsegno", standalone_mode=False)
        sys.stdout.flush()
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:
        # typer makes an exit of a broken pipe, with a code that says less.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        # Who read our output has enough of it; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except TyperException as error:
        if not error.format_message():  # nothing was said, so nothing was wrong, and help has been shown
            return DONE
        complain(_usage(error))
        return USAGE
    except (DalsegnoError, OSError) as error:
        complain(sentence_of(error))
        return exit_code_of(error)
    except Exception as error:  # noqa: BLE001 - the edge of the program: what comes here is a defect of ours
        if _is_about_what_was_given(error):
            complain(sentence_of(error))
            return USAGE
        missing = missing_extra(error) if isinstance(error, ImportError) else None
        if missing is not None:
            complain(str(missing))
            return USAGE
        if os.environ.get("DALSEGNO_LOG_LEVEL") == "debug":
            traceback.print_exc()
        complain(
            f"this is a defect of dalsegno ({type(error).__name__}: {sentence_of(error)}); please report it "
            "with what DALSEGNO_LOG_LEVEL=debug adds."
        )
        return FAILED
    return outcome if isinstance(outcome, int) else DONE


def _is_about_what_was_given(error: Exception) -> bool:
    """It was raised where what a client is handed over is looked at; here that comes from the command line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__") == given.__name__


def _usage(error: TyperException) -> str:
    # Its validation library announces each error as one.
    text = plain(error.format_message()).replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{text}; see `{context.command_path} --help`." if context is not None else f"{text}."
