"""How the workers in other languages, workers/<language>/, are built and run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.system.releases import ROOT

BUILD_SECONDS = 240

Command = list[str]


def _node(folder: Path) -> Command:
    _run(["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"], folder)
    _run(["npm", "run", "--silent", "build"], folder)
    return ["node", str(folder / "dist" / "example.js")]


def _go(folder: Path) -> Command:
    _run(["go", "vet", "./..."], folder)
    _run(["go", "build", "-mod=readonly", "-o", "program", "./example"], folder)
    return [str(folder / "program")]


def _java(folder: Path) -> Command:
    _run(["mvn", "-q", "-B", "compile", "dependency:copy-dependencies"], folder)
    return ["java", "-cp", f"{folder / 'target' / 'classes'}:{folder / 'target' / 'dependency'}/*", "Example"]


LANGUAGES: dict[str, tuple[Sequence[str], Callable[[Path], Command]]] = {
    "go": (("go",), _go),
    "java": (("mvn", "javac", "java"), _java),
    "node": (("node", "npm"), _node),
}
"""What each needs on the path, and what builds it; what is fetched stays in the caches of npm, Go and Maven."""


def missing(language: str) -> list[str]:
    """What the machine would need for that language, and has not."""
    return [tool for tool in LANGUAGES[language][0] if shutil.which(tool) is None]


def build(language: str, folder: Path) -> Command:
    """The command of its example, built from a copy, since a checkout that tests write into is nobody's."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."]
    source = ROOT / "workers" / language
    names = subprocess.run(listing, cwd=source, capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, folder / name)
    return LANGUAGES[language][1](folder)


def _run(command: Command, folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=BUILD_SECONDS
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
