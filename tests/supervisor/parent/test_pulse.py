"""The page of shared memory between a host's loop and its parent."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno.actors.supervisor.parent.pulse import SIZE, PulseReader, PulseWriter
from dalsegno.errors import ConfigurationError
from tests.servers import wait_until


@pytest.fixture
def reader() -> Iterator[PulseReader]:
    reader = PulseReader("host-1")
    yield reader
    reader.close()


@pytest.fixture
def writer(reader: PulseReader) -> Iterator[PulseWriter]:
    writer = PulseWriter.open(reader.path)
    yield writer
    writer.close()


def test_a_new_page_shows_the_host_id_and_no_beat(reader: PulseReader) -> None:
    pulse = reader.read()

    assert (pulse.host_id, pulse.beats, pulse.in_user_code) == ("host-1", 0, False)


def test_beats_are_counted(reader: PulseReader, writer: PulseWriter) -> None:
    writer.beat()
    writer.beat()

    assert reader.read().beats == 2


def test_the_mark_names_run_and_cause_while_user_code_is_stepped(
    reader: PulseReader, writer: PulseWriter
) -> None:
    writer.enter("run-1", "signal: größer", "code")
    inside = reader.read()
    writer.leave()
    outside = reader.read()
    writer.enter("r", "c", "code")
    shorter = reader.read()

    assert (inside.in_user_code, inside.run_id, inside.cause) == (True, "run-1", "signal: größer")
    assert not outside.in_user_code
    assert (shorter.run_id, shorter.cause) == ("r", "c")


def test_a_host_that_joined_anew_shows_its_new_id_and_keeps_the_mark(
    reader: PulseReader, writer: PulseWriter
) -> None:
    writer.enter("run-1", "cause", "code")
    writer.name("host-2-with-a-longer-name")
    pulse = reader.read()

    assert (pulse.host_id, pulse.run_id) == ("host-2-with-a-longer-name", "run-1")


def test_texts_that_are_too_long_keep_their_beginning_and_harm_nothing(
    reader: PulseReader, writer: PulseWriter
) -> None:
    writer.enter("ü" * 300, "x" * 1023 + "üü", "code")
    pulse = reader.read()

    assert pulse.run_id == "ü" * 128
    assert pulse.cause == "x" * 1023
    assert pulse.host_id == "host-1"


def test_a_writer_stopped_in_the_middle_of_a_mark_shows_its_beats_and_blames_nobody(
    reader: PulseReader, writer: PulseWriter
) -> None:
    writer.beat()
    writer.enter("run-1", "cause", "code")
    os.pwrite(reader.fd, struct.pack("=Q", 7), 0)

    pulse = reader.read()

    assert (pulse.beats, pulse.in_user_code, pulse.run_id) == (1, False, "")


def test_a_reader_never_sees_half_a_mark(reader: PulseReader) -> None:
    code = (
        "import sys\n"
        "from dalsegno.actors.supervisor.parent.pulse import PulseWriter\n"
        "writer = PulseWriter.open(sys.argv[1])\n"
        "texts = [str(digit) * 250 for digit in range(10)]\n"
        "while True:\n"
        "    for text in texts:\n"
        "        writer.enter(text, text, text)\n"
        "    writer.beat()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, reader.path], pass_fds=(reader.fd,))
    try:
        wait_until(lambda: reader.read().beats > 0, 30, "the first round of marks")
        seen = [reader.read() for _ in range(20_000)]
    finally:
        child.kill()
        child.wait()

    assert all(pulse.run_id == pulse.cause for pulse in seen)
    assert len({pulse.run_id for pulse in seen} - {""}) > 1


def test_the_mark_of_a_child_outlives_it(reader: PulseReader) -> None:
    code = (
        "import os, sys\n"
        "from dalsegno.actors.supervisor.parent.pulse import PulseWriter\n"
        "writer = PulseWriter.open(sys.argv[1])\n"
        "writer.enter('run-1', 'poison', 'code')\n"
        "os._exit(3)\n"
    )
    child = subprocess.run([sys.executable, "-c", code, reader.path], pass_fds=(reader.fd,), check=False)
    pulse = reader.read()

    assert child.returncode == 3
    assert (pulse.in_user_code, pulse.run_id, pulse.cause) == (True, "run-1", "poison")


def test_a_host_without_a_parent_writes_to_a_page_that_nobody_reads() -> None:
    writer = PulseWriter.unread()
    writer.beat()
    writer.enter("run-1", "cause", "code")
    writer.leave()
    writer.close()


@pytest.mark.parametrize("size", [None, SIZE - 1])
def test_a_path_without_a_page_is_a_configuration_error(tmp_path: Path, size: int | None) -> None:
    path = tmp_path / "pulse"
    if size is not None:
        path.write_bytes(bytes(size))

    with pytest.raises(ConfigurationError, match="dalsegno host"):
        PulseWriter.open(path)


def test_closing_twice_is_safe(reader: PulseReader) -> None:
    reader.close()
    reader.close()


def test_the_code_is_shown_beside_what_is_run(reader: PulseReader, writer: PulseWriter) -> None:
    writer.enter("run-1", "cause", "f" * 64)
    pulse = reader.read()
    assert (pulse.code, pulse.cause, pulse.host_id) == ("f" * 64, "cause", "host-1")
    writer.leave()
    writer.enter("run-2", "cause", "0")
    assert reader.read().code == "0"
