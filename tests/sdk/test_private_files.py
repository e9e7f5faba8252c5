"""Files for their owner alone, whatever the umask is, and those that others made otherwise."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno.private_files import make_private, make_private_folder


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_its_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    make_private(tmp_path / "new.db")

    assert mode(tmp_path / "new.db") == 0o600


def test_files_that_others_may_use_are_mended_with_what_lies_beside_them(tmp_path: Path) -> None:
    names = ["a.db", "a.db-wal", "a.db-shm", "b.db"]
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o664)

    make_private(tmp_path / "a.db")

    assert [mode(tmp_path / name) for name in names] == [0o600, 0o600, 0o600, 0o664]


def test_a_file_that_is_there_keeps_the_locks_that_this_process_has_on_it(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN IMMEDIATE")

    make_private(file)

    child = os.fork()
    if child == 0:
        try:
            sqlite3.connect(file, timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    holder.close()


def test_a_new_folder_is_its_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    make_private_folder(tmp_path / "folder", ["a.db"])

    assert mode(tmp_path / "folder") == 0o700


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["a.db", "a.db-wal"], 0o700), (["a.db", "flows.py"], 0o755), ([], 0o755)],
    ids=["only ours", "others, too", "empty"],
)
def test_a_folder_that_is_there_is_mended_if_it_holds_nothing_but_ours(
    tmp_path: Path, names: list[str], expected: int
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o755)
    for name in names:
        (folder / name).touch()

    make_private_folder(folder, ["a.db"])

    assert mode(folder) == expected
