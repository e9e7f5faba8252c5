"""The working folder as a place where modules are found: before what is installed, as everybody expects, but it
hides neither the standard library nor what dalsegno itself needs.

A file of a user that is named `email.py` or `queue.py` would otherwise be imported by libraries of ours, some
of them hours after the start, and what they say then helps nobody.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from types import ModuleType

OURS = "dalsegno"


class WorkingFolder(MetaPathFinder):
    """Put `folder` in front of sys.path, but for the names in `hidden`: those are found elsewhere."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        if self._folder not in sys.path:
            sys.path.insert(0, self._folder)
        self.hidden = {name: path for name, path in _modules_of(folder) if self._is_taken(name)}
        """Modules of the folder that nothing imports, by the names that others have: their files."""
        if self.hidden and self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return self._found_elsewhere(fullname) if fullname in self.hidden else None

    def _is_taken(self, name: str) -> bool:
        if name in sys.stdlib_module_names:
            return True
        return self._found_elsewhere(name) is not None and name in _needed_by_us()

    def _found_elsewhere(self, name: str) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [entry for entry in sys.path if entry != self._folder])

    def sentence(self, name: str) -> str:
        """What is to be known about a name in `hidden`."""
        whose = (
            "the standard library's"
            if name in sys.stdlib_module_names
            else "an installed package's that dalsegno needs"
        )
        return (
            f"{self.hidden[name]} is never imported, because `import {name}` means {whose}: rename it if your "
            "code needs it"
        )


def _modules_of(folder: Path) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:  # it may be searched, though not read: what is named can be imported all the same
        return
    for entry in entries:
        if entry.suffix == ".py":
            yield entry.stem, entry
        elif (entry / "__init__.py").exists():
            yield entry.name, entry


def _needed_by_us() -> frozenset[str]:
    """The names by which dalsegno and all that it requires are imported."""
    needed: set[str] = set()
    left = [OURS]
    while left:
        distribution = _canonical(left.pop())
        if distribution not in needed:
            needed.add(distribution)
            left += _required_by(distribution)
    return frozenset(
        module
        for module, distributions in packages_distributions().items()
        if any(_canonical(distribution) in needed for distribution in distributions)
    )


def _required_by(distribution: str) -> Iterator[str]:
    """Of our own extras, too; of those of others we ask for none."""
    try:
        requirements = requires(distribution) or ()
    except PackageNotFoundError:  # of another platform or Python
        return
    for text in requirements:
        name = re.match(r"[\w.-]+", text)
        if name is not None and (distribution == OURS or "extra ==" not in text):
            yield name[0]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
