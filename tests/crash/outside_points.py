"""Points in workers and clients."""

from __future__ import annotations

from tests.crash.point import Point, Role
from tests.crash.wrapping import (
    after,
    before,
)

WORKERS = "dalsegno.workers"
CLIENT = "dalsegno.client"


WORKER_POINTS = (
    Point(
        "w1",
        "task-received",
        "a task is delivered",
        "it is delivered to another worker",
        (before(f"{WORKERS}.dispatcher:TaskDispatcher.on_task"),),
        Role.WORKER,
    ),
    Point(
        "w2",
        "started-sent",
        "`started` is confirmed, no grant has come",
        "another worker asks, or the attempt times out",
        (before(f"{WORKERS}.attempt:Attempt._on_noticed"),),
        Role.WORKER,
        most=1,
    ),
    Point(
        "w2b",
        "granted",
        "granted, so acknowledged before the work",
        "its heartbeat is missed, and it is tried again",
        (after(f"{WORKERS}.attempt:Attempt.on_grant"),),
        Role.WORKER,
        most=1,
    ),
    Point(
        "w3",
        "running",
        "the activity runs",
        "the task is delivered again",
        (after(f"{WORKERS}.attempt:Attempt._on_begun"),),
        Role.WORKER,
    ),
    Point(
        "w4",
        "side-effect-done",
        "the activity is done, nobody knows",
        "it runs again",
        (before(f"{WORKERS}.attempt:Attempt._on_ended"),),
        Role.WORKER,
    ),
    Point(
        "w5",
        "result-published",
        "its result is published, and not confirmed",
        "it runs again; one result counts",
        (after(f"{WORKERS}.outbox:WorkerOutbox._flush"),),
        Role.WORKER,
    ),
    Point(
        "w6",
        "result-confirmed",
        "its result is confirmed, the task not acknowledged",
        "it runs again; one result counts",
        (before(f"{WORKERS}.attempt:Attempt._on_reported"),),
        Role.WORKER,
    ),
)

CLIENT_POINTS = (
    Point(
        "c1",
        "start-published",
        "a start is published, and not confirmed",
        "who asks again with its ID gets the same run",
        (after(f"{CLIENT}.link:ClientLink._flush"),),
        Role.CLIENT,
        most=1,
    ),
    Point(
        "c2",
        "start-confirmed",
        "the broker has the start, its answer has not come",
        "who asks again with its ID gets the same run",
        (before(f"{CLIENT}.patience:Patience.confirmed"),),
        Role.CLIENT,
        most=1,
    ),
    Point(
        "c3",
        "awaiting-result",
        "the start is answered, the result awaited",
        "who asks again gets the result",
        (
            before(
                f"{CLIENT}.conversation:Conversation.further", lambda _, _type, kind, *_rest: kind == "result"
            ),
        ),
        Role.CLIENT,
        most=1,
    ),
)
