"""What a process does that histories are replayed in: it answers one question after the other, in its main
thread, until the other end is closed."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
from multiprocessing import process, spawn
from typing import NoReturn

import msgspec

from dalsegno.activity_code.processes.spawning import INHERITING
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import class_name, message_of
from dalsegno.rehearsal.bounded import bounded
from dalsegno.rehearsal.history import WorkflowHistory
from dalsegno.rehearsal.process import CANNOT_BEGIN, LENGTH_BYTES, Answered, Asked, ReplayBeginning
from dalsegno.rehearsal.rehearse import Outlook
from dalsegno.rehearsal.replaying import ReplayCode, replayed

WORDS_MAX = 2_000
ENDED = 70


def main(fd: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    wire = socket.socket(fileno=fd)
    wire.set_inheritable(False)
    first = _received(wire)
    if first is None:
        return
    beginning: ReplayBeginning = pickle.loads(first)
    asked = _received(wire)
    if asked is None:
        return
    try:
        code = _code(beginning)
        registry, activities = code.registry(), code.known_activities()
    except BaseException as error:  # noqa: BLE001 - whatever the user's modules raise: a person must mend it
        what = f"{class_name(error)}: {message_of(error, WORDS_MAX)}"
        _say(
            wire, CANNOT_BEGIN, f"The process in which histories are replayed cannot import their code: {what}"
        )
        return
    while asked is not None:
        question = msgspec.json.decode(asked, type=Asked)
        history = WorkflowHistory.from_json(question.history)

        def loops(where: str) -> NoReturn:
            text = f"its code has run for {beginning.seconds:g} s without an end{where}"
            try:
                _say(wire, Outlook.LOOPS, text)
            finally:  # who asked may have gone, and the code would get to know it, and might go on
                os._exit(ENDED)

        with bounded(beginning.seconds, loops, lambda: os._exit(ENDED)):
            outlook, reason = replayed(history, registry, activities, ends_anew=question.ends_anew)
        _say(wire, outlook, reason)
        asked = _received(wire)


def _code(beginning: ReplayBeginning) -> ReplayCode:
    setattr(process.current_process(), INHERITING, True)
    try:
        spawn.prepare(beginning.preparation)
        workflows, activities, converter, failures, callback, interceptors = pickle.loads(beginning.code)
    finally:
        delattr(process.current_process(), INHERITING)
    return ReplayCode(workflows, activities, DataConverter(**converter), failures, callback, interceptors)


def _say(wire: socket.socket, outlook: str, reason: str) -> None:
    sys.stdout.flush()
    body = msgspec.json.encode(Answered(str(outlook), reason))
    wire.sendall(len(body).to_bytes(LENGTH_BYTES) + body)


def _received(wire: socket.socket) -> bytes | None:
    length = _exactly(wire, LENGTH_BYTES)
    return None if length is None else _exactly(wire, int.from_bytes(length))


def _exactly(wire: socket.socket, count: int) -> bytes | None:
    received = bytearray()
    while len(received) < count:
        part = wire.recv(min(count - len(received), 1 << 20))
        if not part:
            return None
        received += part
    return bytes(received)
