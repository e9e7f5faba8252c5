"""Releases of dalsegno to run side by side: the present tree, and the one before it, built from the history."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

BEFORE = "97143e4"
"""The last commit of the release before: database revision 0006, stored format 1."""


@dataclass(frozen=True)
class Release:
    """`python`: an environment in which it is installed."""

    name: str
    python: Path

    def imported(self) -> Path:
        """What is imported in the folder in which processes are started."""
        asked = [str(self.python), "-c", "import dalsegno; print(dalsegno.__file__)"]
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
        return Path(done.stdout.strip())


PRESENT = Release("present", Path(sys.executable))


def is_in_history(commit: str) -> bool:
    """Not in a source archive, nor in a shallow clone."""
    asked = ["git", "-C", str(ROOT), "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def build(commit: str, folder: Path, *, uv: str) -> Release:
    """The release as it was at that commit, installed with the packages that it had locked."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit], stdout=subprocess.PIPE, check=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    # The same Python: an instance notes which one it ran on.
    options = ["--quiet", "--locked", "--no-dev", "--no-editable", "--python", sys.executable]
    subprocess.run([uv, "sync", *options, "--project", str(folder)], cwd=folder, check=True)
    release = Release(commit, folder / ".venv/bin/python")
    assert release.imported().is_relative_to(folder), "where it is run, another release stands in its way"
    return release
