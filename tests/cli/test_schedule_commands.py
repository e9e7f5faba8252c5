"""`dalsegno schedule ...` against a running namespace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dalsegno.cli.failures import DONE, FAILED, USAGE
from tests.cli.shell import Program, until

NEVER = ("--cron", "0 0 1 1 * 2150")


def described(dev: Program, schedule_id: str) -> Any:
    done = dev.shell.run("schedule", "describe", schedule_id, "--json")
    assert (done.exit_code, done.err) == (DONE, "")
    return json.loads(done.out)


def test_a_schedule_is_made_looked_at_changed_and_deleted(dev: Program) -> None:
    run = dev.shell.run
    greeting = ("--type", "Greeting", "--input", '"Ann"', "--workflow-id", "hello")
    times = ("--interval", "1h/5m", "--calendar", '{"hour": [{"start": 9}], "comment": "opening"}')
    made = run("schedule", "create", "s-1", *greeting, *NEVER, *times, "--note", "for Ann", "--priority", "1")
    assert (made.exit_code, made.out, made.err) == (DONE, "Schedule s-1 is there.\n", "")
    again = run("schedule", "create", "s-1", *greeting)
    assert (again.exit_code, again.sentence) == (FAILED, "There is a schedule 's-1' already.")

    changed = run("schedule", "update", "s-1", *NEVER, "--overlap", "allow_all", "--remaining", "0")
    assert described(dev, "s-1")["action"]["priority"] == 1
    changed = run("schedule", "update", "s-1", *NEVER, "--priority", "5")
    assert (changed.exit_code, changed.out) == (DONE, "Schedule s-1 is changed.\n")
    told = described(dev, "s-1")
    assert told["action"]["args"] == ["Ann"]
    assert (told["action"]["workflow"], told["action"]["id"]) == ("Greeting", "hello")
    assert told["action"]["priority"] == 5
    assert told["spec"]["intervals"] == told["spec"]["calendars"] == []
    assert (told["policy"]["overlap"], told["state"]["note"]) == ("allow_all", "for Ann")
    assert told["info"]["next_action_times"] == []

    assert run("schedule", "trigger", "s-1").out == "Schedule s-1 was triggered.\n"
    back = run("schedule", "backfill", "s-1", "--from", "2149-12-31", "--to", "2150-01-01T00:00:00Z")
    assert (back.exit_code, back.err) == (DONE, "")
    until(lambda: described(dev, "s-1")["info"]["num_actions"] == 2, "both are started")
    ids = {one["action"]["workflow_id"] for one in described(dev, "s-1")["info"]["recent_actions"]}
    assert "hello-2150-01-01T00:00:00Z" in ids
    for workflow_id in ids:
        assert run("workflow", "result", workflow_id).out == '"Hello, Ann!"\n'

    assert run("schedule", "delete", "s-1").out == "Schedule s-1 is deleted.\n"
    gone = run("schedule", "describe", "s-1")
    assert (gone.exit_code, gone.sentence) == (FAILED, "There is no schedule 's-1'.")


def test_people_see_what_it_starts_and_in_which_state_it_is(dev: Program) -> None:
    run = dev.shell.run
    run("schedule", "create", "s-2", "--type", "Greeting", "--cron", "@daily", "--time-zone", "Asia/Tokyo")
    assert run("schedule", "pause", "s-2", "--note", "holidays").exit_code == DONE
    shown = run("schedule", "describe", "s-2").out
    for fact in ("Greeting", "@daily", "Asia/Tokyo", "paused", "holidays", "15:00:00"):
        assert fact in shown
    (row,) = [line for line in run("schedule", "list").out.splitlines() if line.startswith("s-2")]
    assert "paused" in row
    assert "holidays" in row
    run("schedule", "unpause", "s-2")
    told = [json.loads(line) for line in run("schedule", "list", "--json").out.splitlines()]
    assert [one["state"]["paused"] for one in told if one["schedule_id"] == "s-2"] == [False]
    run("schedule", "delete", "s-2")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--cron", "whenever"), "cron_expressions[0] 'whenever' has 1 fields"),
        (("--interval", "soon"), "--interval cannot be read: write its duration like 90s"),
        (("--calendar", '{"hour": 9}'), "--calendar is no calendar: Expected `array`, got `int` - at `$.hour`"),
        (("--calendar", "{"), "--calendar 1 is not JSON"),
        (("--time-zone", "Mars"), "time_zone_name 'Mars' is no time zone"),
        (("--jitter", "1 day"), "--jitter cannot be read"),
        (("--overlap", "perhaps"), "'perhaps' is not one of"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(dev: Program, flags: tuple[str, str], sentence: str) -> None:
    done = dev.shell.run("schedule", "create", "s-3", "--type", "Greeting", *flags)
    assert done.exit_code == USAGE
    assert sentence in done.sentence
