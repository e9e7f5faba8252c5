"""How often trouble that lasts is said."""

from __future__ import annotations

import structlog

from dalsegno.actors.supervisor.failing.state_log import AGAIN_SECONDS, StateLog


def test_trouble_is_said_when_it_begins_when_it_changes_each_minute_and_when_it_is_over() -> None:
    now = [0.0]
    state = StateLog(lambda: now[0])
    with structlog.testing.capture_logs() as logs:
        for now[0], reason in [
            (0, "a"),
            (1, "a"),
            (2, "b"),
            (1 + AGAIN_SECONDS, "b"),
            (2 + AGAIN_SECONDS, "b"),
        ]:
            state.trouble("away", "broker", reason)
        state.well("there", "broker")
        state.well("there", "broker")
    assert [(entry["event"], entry.get("reason")) for entry in logs] == [
        ("away", "a"),
        ("away", "b"),
        ("away", "b"),
        ("there", None),
    ]
