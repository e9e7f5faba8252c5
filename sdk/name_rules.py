"""What may be a name: of a workflow, an activity, a signal, a task queue, or an ID. One rule for those who send
and those who receive."""

from __future__ import annotations

import re

NAME_BYTES_MAX = 255
"""In UTF-8; as AMQP's short strings."""
TASK_QUEUE_BYTES_MAX = 240
"""With what stands before it, the name of a queue has 255."""
LEVEL_MARK = ":#"
"""Stands before the level at the end of the names of a task queue's other queues (see `priority`)."""
TAKEN_TASK_QUEUE = "dead"
"""Its queue is the one for tasks that no worker survived."""

_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, line separators, direction marks, surrogates: they forge log lines and terminals."""
_TASK_QUEUE = re.compile(r"[A-Za-z0-9_.:@#,/+ -]+")

PLAIN = re.compile(f"[ -~]{{1,{NAME_BYTES_MAX}}}")
"""Fully matched by nearly every name that there is. Whatever is not may be one all the same."""


def why_not_name(value: str) -> str | None:
    """Why a value is no name; None if it is one."""
    if PLAIN.fullmatch(value):
        return None
    if not value:
        return "is empty"
    if _FORBIDDEN.search(value):
        return "has characters that cannot be printed"
    if len(value.encode()) > NAME_BYTES_MAX:
        return f"is longer than {NAME_BYTES_MAX} bytes in UTF-8"
    return None


def why_not_task_queue(name: str) -> str | None:
    """Why a name is none of a task queue on any broker; None if it is one."""
    if name == TAKEN_TASK_QUEUE:
        return "is taken: tasks that no worker survived are there"
    if len(name) > TASK_QUEUE_BYTES_MAX:
        return f"is longer than {TASK_QUEUE_BYTES_MAX} bytes"
    if not _TASK_QUEUE.fullmatch(name):
        return "must consist of letters and digits of ASCII, spaces and -_.:@#,/+"
    if LEVEL_MARK in name and is_level(name):
        return f"must not end in {name[-3:]!r}: that is the queue of a level of {name[:-3]!r} (Priority)"
    return None


def is_level(name: str) -> bool:
    """Whether it is the name of a level of a task queue, which no user may give."""
    return name[-3:-1] == LEVEL_MARK and name[-1] in "12345"
