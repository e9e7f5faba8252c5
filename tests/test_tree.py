"""What holds for the whole tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES = 450
"""300 are long already."""


def test_a_file_of_more_lines_than_can_be_read_at_once_is_cut_by_concept() -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    lines = {name: (ROOT / name).read_bytes().count(b"\n") for name in names if (ROOT / name).exists()}
    assert len(lines) > 500, "it looks at the tree"
    assert {name: count for name, count in lines.items() if count > LINES} == {}
