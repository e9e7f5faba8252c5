"""What is stored has the shape that its format says. Hosts of two versions share a database for as long as an
upgrade takes, and longer: the format is how each knows what it may read and write."""

from __future__ import annotations

import difflib

from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.search_attributes import AttributeValue
from tests.workflow_actor.stored.shapes import file_of, shapes, structs

WHAT_TO_DO = """
What is stored has another shape than format {format} says. Older hosts cannot read it, and would be told that
they can. If only a name in the code has changed, and no byte of what is written, write the shape down anew:
python -m tests.workflow_actor.stored.shapes. Else it is a new format: add Format({next}, ...) to CODEC,
with what lifts bodies of format {format} and lowers those of format {next} (stored/formats.py), and write its
shape down beside that of format {format}."""


def test_what_is_stored_has_the_shape_of_its_format() -> None:
    written = file_of(CODEC.newest)
    assert written.exists(), (
        f"the shape of format {CODEC.newest} is to be written down: see tests.workflow_actor.stored.shapes"
    )
    before, now = written.read_text(), shapes()
    difference = "\n".join(difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=2))
    assert now == before, difference + WHAT_TO_DO.format(format=CODEC.newest, next=CODEC.newest + 1)


def test_the_shape_of_each_format_that_is_read_is_written_down() -> None:
    assert all(file_of(number).exists() for number in range(1, CODEC.newest + 1))


def test_whatever_is_stored_refuses_what_it_does_not_know() -> None:
    """But for what workers and clients of newer versions send as well."""
    lenient = {cls for cls, info in structs().items() if not info.forbid_unknown_fields}
    assert lenient == {Payload, Failure, AttributeValue}
