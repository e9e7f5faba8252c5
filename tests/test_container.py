"""The image has all of the package."""

from __future__ import annotations

import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent


def test_the_dockerfile_copies_every_folder_of_the_package() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    folders = set(project["tool"]["setuptools"]["package-dir"].values())
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    assert folders <= {line.split()[1] for line in lines if line.startswith("COPY ")}
