"""The stack of a child that does not yield, and which of its lines is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno.actors.supervisor.parent import stack
from dalsegno.actors.supervisor.parent.pulse import PulseReader

STUCK = """
import re, sys, time
from dalsegno.actors.supervisor.parent import stack
stack.answer_on(sys.argv[1])
def stuck():
    print("here", flush=True)
    {how}
stuck()
"""


@pytest.fixture
def reader() -> Iterator[PulseReader]:
    reader = PulseReader("host-1")
    yield reader
    reader.close()


@pytest.mark.parametrize(
    "how",
    ["while True: pass", "time.sleep(3600)", "re.match('(a+)+$', 'a' * 40 + 'b')"],
    ids=["loop", "block", "c"],
)
def test_a_child_tells_where_it_is_stuck_though_it_does_not_yield(
    reader: PulseReader, tmp_path: Path, how: str
) -> None:
    script = tmp_path / "shop.py"
    script.write_text(STUCK.format(how=how))
    command = [sys.executable, str(script), reader.path]
    with subprocess.Popen(command, pass_fds=(reader.fd,), stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"here\n"
            line = stack.innermost(stack.ask(child.pid, reader.fd))
            assert line in (f"{script}:6 in stuck", f"{script}:7 in stuck")
            assert child.poll() is None
            assert reader.read().host_id == "host-1"
        finally:
            child.kill()


def test_the_line_that_is_told_is_the_users_own() -> None:
    import re as standard

    text = (
        "Current thread 0x1 (most recent call first):\n"
        f'  File "{standard.__file__}", line 9 in match\n'
        '  File "/srv/shop/orders.py", line 12 in run\n'
        '  File "/srv/site-packages/dalsegno/actors/workflow_actor/program.py", line 3 in step\n'
    )
    assert stack.innermost(text) == "/srv/shop/orders.py:12 in run"


def test_without_a_stack_there_is_no_line() -> None:
    assert stack.innermost("") is None
