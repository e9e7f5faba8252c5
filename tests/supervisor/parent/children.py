"""Child processes for the tests of the parent: `children.py <behaviour> <host ID> <pulse> <parent> <file>`.

It imports little at its start, because tests start many of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from math import inf
from pathlib import Path
from typing import Any

from dalsegno.actors.supervisor.parent import stack
from dalsegno.actors.supervisor.parent.child import ChildSpec, Launch
from dalsegno.actors.supervisor.parent.pulse import PulseWriter


def spec(behaviour: str, argument: str = "", *, is_host: bool = True, **options: Any) -> ChildSpec:
    """A child that runs this file."""

    def command(launch: Launch) -> list[str]:
        given = (behaviour, launch.host_id, launch.pulse_path, str(launch.parent_pid), argument)
        return [sys.executable, __file__, *given]

    return ChildSpec(name=behaviour, command=command, is_host=is_host, **options)


def beat_until_terminated(pulse: PulseWriter, notes: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    note(notes, "ready")
    try:
        while True:
            pulse.beat()
            time.sleep(0.01)
    finally:
        note(notes, "drained")


def note(notes: Path, line: str) -> None:
    with notes.open("a") as file:
        file.write(line + "\n")


def serve_until_orphaned(pulse: PulseWriter, host_id: str, parent_pid: int, store_url: str) -> None:
    """A host that has nothing but its supervisor."""
    from dalsegno.actors.supervisor.membership.host_supervisor import HostOptions, HostSupervisor
    from dalsegno.actors.supervisor.membership.loop_beat import LoopBeat
    from dalsegno.actors.supervisor.membership.validity import Validity
    from dalsegno.persistence import open_store

    class Host:
        def __getattr__(self, name: str) -> object:
            return lambda *_: None

        def orphaned(self) -> None:
            loop.stop()

    loop = asyncio.new_event_loop()
    HostSupervisor.start(
        HostOptions(
            membership=open_store(store_url).membership,
            host_id=host_id,
            generation=1,
            version="1",
            listener=Host(),  # type: ignore[arg-type]
            deliver=loop.call_soon_threadsafe,
            validity=Validity(),
            beat=LoopBeat(inf),
            lease_ttl_seconds=2.0,
            parent_pid=parent_pid,
        )
    )
    loop.run_forever()


def ignore_sigterm(notes: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: note(notes, "was asked to stop"))
    note(notes, "ready")
    while True:
        time.sleep(3600)


def main(behaviour: str, host_id: str, pulse_path: str, parent_pid: int, argument: str) -> None:
    pulse = PulseWriter.open(pulse_path)
    stack.answer_on(pulse_path)
    if behaviour in ("loop", "block", "die in code", "leave in code", "look refused in code"):
        pulse.enter("run-1", "poison", "code")
    match behaviour:
        case "beat":
            beat_until_terminated(pulse, Path(argument))
        case "loop":
            while True:
                int("7" * 1000)
        case "block":
            time.sleep(3600)
        case "import":
            note(Path(argument), "ready")
            time.sleep(3600)
        case "hang":
            pulse.beat()
            time.sleep(3600)
        case "die in code":
            os._exit(3)
        case "leave in code":
            os._exit(0)
        case "look refused in code":
            os._exit(2)
        case "die of a start":
            pulse.enter("", "workflow.start", "code")
            os._exit(3)
        case "rejoin and die":
            pulse.name(f"{host_id}-again")
            os._exit(3)
        case "misconfigured":
            sys.exit(2)
        case "misconfigured, but for the first":
            try:
                Path(argument).touch(exist_ok=False)
            except FileExistsError:
                sys.exit(2)
            beat_until_terminated(pulse, Path(f"{argument}.beats"))
        case "ignore":
            ignore_sigterm(Path(argument))
        case "environment":
            note(Path(argument), f"{os.environ['PYTHONHASHSEED']} {os.environ.get('EXTRA')}")
            time.sleep(3600)
        case "serve":
            serve_until_orphaned(pulse, host_id, parent_pid, argument)
        case _:
            raise ValueError(behaviour)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
