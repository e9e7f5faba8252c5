"""What docs/coming-from-temporal.md says of each name is so."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import dalsegno

PAGE = Path(__file__).parents[2] / "docs" / "coming-from-temporal.md"
OF_INSTANCES = {"id", "run_id"}


class Section(NamedTuple):
    title: str
    holder: Any
    same: list[str]
    renamed: dict[str, str]
    absent: list[str]


def holder_of(title: str) -> Any:
    name = title.strip("`")
    if name in ("Client", "WorkflowHandle"):
        return getattr(dalsegno, name)
    module = name.removeprefix("temporalio.")
    return (
        importlib.import_module(f"dalsegno.{module}")
        if module in ("workflow", "activity", "testing")
        else dalsegno
    )


def sections() -> Iterator[Section]:
    for part in PAGE.read_text().split("\n### ")[1:]:
        title, _, rest = part.partition("\n")
        said = re.search(r"The same: (.*?)\n\n", rest, re.DOTALL)
        same = re.findall(r"`(\w+)`", said[1]) if said else []
        renamed = re.search(r"\| there \| here \|\n\|---\|---\|\n((?:\|.*\n)+)", rest)
        pairs = re.findall(r"^\| `(\w+)` \| `([\w.]+)`", renamed[1], re.MULTILINE) if renamed else []
        absent = re.search(r"\| not here \| \|\n\|---\|---\|\n((?:\|.*\n?)+)", rest)
        rows = re.findall(r"^\| (.*?) \|", absent[1], re.MULTILINE) if absent else []
        names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
        yield Section(title, holder_of(title), same, dict(pairs), names)


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: section.title.strip("`"))
def test_each_name_is_where_the_page_says(section: Section) -> None:
    assert section.same or section.absent
    holder = section.holder
    assert [name for name in section.same if name not in OF_INSTANCES and not hasattr(holder, name)] == []
    assert [name for name in section.absent if hasattr(holder, name)] == []
    ours = [name.removeprefix("dalsegno.") for name in section.renamed.values()]
    assert [name for name in ours if not hasattr(holder, name) and not hasattr(dalsegno, name)] == []
    assert [name for name in section.renamed if hasattr(holder, name)] == []


def test_the_page_tells_of_several_hundred_names() -> None:
    assert sum(len(s.same) + len(s.renamed) + len(s.absent) for s in sections()) > 400
