"""What the present release stores is read by the one before, as long as that may have to; and the other way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from random import Random
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.run.events import Event
from dalsegno.actors.workflow_actor.run.primitives import LATER_IN_FORMAT_1
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.format_3 import _EVENTS as NEVER_IN_OLDER_FORMATS
from dalsegno.failure import Failure
from tests.system.releases import ROOT, Release
from tests.workflow_actor.rig import Rig, ScriptedCode, activity, completed, failed, started, task, tasks
from tests.workflow_actor.wild import OPS, WildCode, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FOR_ALL = CODEC.writing(1)
"""As hosts write while the release before may have to read it."""
WORLDS = 30
OPERATIONS = 120

READ = """
import json, sys
from dalsegno.actors.workflow_actor.codec import encode_state
from dalsegno.actors.workflow_actor.instance import Instance

class NoCode:
    fingerprint = ""

for line in sys.stdin:
    snapshot, journal, run_id = json.loads(line)
    if snapshot is not None:
        snapshot = (*snapshot[:2], bytes.fromhex(snapshot[2]), bytes.fromhex(snapshot[3]))
    rows = [(*row[:3], bytes.fromhex(row[3])) for row in journal]
    try:
        instance = Instance.load("w", NoCode(), snapshot=snapshot, journal=rows, run_id=run_id)
        print(encode_state(instance.state).hex())
    except Exception as error:
        print("error", repr(error).replace("\\n", " "))
"""
"""For the release before: each line is what is stored of an instance, and is answered by its state."""


class Stored:
    """Of one instance, at one time."""

    def __init__(self, rig: Rig) -> None:
        self.state = rig.state
        snapshot = rig.snapshot
        plain = None if snapshot is None else (*snapshot[:2], snapshot[2].hex(), snapshot[3].hex())
        journal = [(*row[:3], row[3].hex()) for row in rig.journal]
        self.line = json.dumps([plain, journal, rig.instance.run_id])


def read_by(release: Release, stored: Sequence[Stored]) -> list[str]:
    lines = "\n".join(each.line for each in stored)
    done = subprocess.run(
        [str(release.python), "-c", READ], input=lines, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def gist(state: WorkflowState) -> dict[str, Any]:
    """All that decides what happens next, but for what only the present release keeps."""
    return {
        "place": (state.sequence, state.time, state.processed, len(state.log), state.fence, state.tries),
        "activities": {n: (a.phase, a.attempt, a.token, a.sends) for n, a in state.activities.items()},
        "timers": dict(state.timers.items()),
        "outstanding": {n: type(entry.due) for n, entry in state.outstanding.items()},
        "earlier": [entry.run_id for entry in state.earlier],
        "recipients": state.recipients,
        "outcome": state.outcome,
        "suspension": state.suspension,
        "signed": state.signed,
    }


def assert_read(release: Release, stored: Sequence[Stored]) -> None:
    answers = read_by(release, stored)
    assert len(answers) == len(stored) > 0
    for answer, each in zip(answers, stored, strict=True):
        assert not answer.startswith("error"), answer
        assert gist(CODEC.decode_state(bytes.fromhex(answer))) == gist(each.state)


def test_what_instances_of_all_kinds_store_is_read_by_the_release_before(release_before: Release) -> None:
    stored = []
    for seed in range(WORLDS):
        random = Random(seed)
        world = World(WildCode(seed))
        world.rig.instance.codec = FOR_ALL
        for _ in range(OPERATIONS):
            world.do((random.randrange(OPS), random.randrange(1000)))
            if world.rig.instance.state is not None and random.random() < 0.1:
                stored.append(Stored(world.rig))
    assert_read(release_before, stored)


def test_an_instance_whose_task_the_broker_gave_up_is_read_by_the_release_before(
    release_before: Release,
) -> None:
    """That is an event which it does not know."""
    rig = Rig(ScriptedCode([[activity(1)], []]))
    rig.instance.codec = FOR_ALL
    given = task(rig.start())
    stored = []
    for number in range(2):
        lost = failed(given, Failure(kind="worker_lost", type="WorkerLost", message="it came back"))
        given = task(rig.send(replace(lost, returned=str(number))))
        stored.append(Stored(rig))
        rig.send(started(given, "worker-1"))
        stored.append(Stored(rig))
    rig.send(completed(given))
    stored.append(Stored(rig))
    assert_read(release_before, stored)


TAGS = """
from typing import get_args
from dalsegno.actors.workflow_actor.events import Event
print(*[event.__struct_config__.tag for event in get_args(Event)])
"""


def test_events_that_the_release_before_does_not_know_are_known_as_such(release_before: Release) -> None:
    done = subprocess.run(
        [str(release_before.python), "-c", TAGS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    known = set(done.stdout.split())
    assert len(known) > 15, done.stdout
    new = {event for event in get_args(Event) if event.__struct_config__.tag not in known}
    written = {event for event in new if event.__struct_config__.tag not in NEVER_IN_OLDER_FORMATS}
    assert written == LATER_IN_FORMAT_1


def test_a_large_instance_is_read_by_the_release_before(release_before: Release) -> None:
    """Its snapshot is made in pieces."""
    rig = Rig(ScriptedCode([[activity(number) for number in range(1, 1201)]]))
    rig.instance.codec = FOR_ALL
    given = rig.start()
    stored = []
    for effect in tasks(given)[:80]:
        rig.send(completed(effect))
        if rig.snapshot is not None:
            stored.append(Stored(rig))
    assert_read(release_before, stored)
