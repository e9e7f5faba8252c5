"""A copy of a database is read where nothing can be written: a backup's medium, a folder of somebody else."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from dalsegno.persistence import open_store


def test_a_file_in_a_folder_that_cannot_be_written_is_read_with_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/copy.db"
    with closing(open_store(url)) as store:
        store.migrate()
    (tmp_path / "copy.db").chmod(0o400)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere

    with closing(open_store(url)) as store:
        reader = store.reader()
        found = (reader.runs(), len(reader.cluster().leases), store.namespace().partitions)
        beside = [path.name for path in tmp_path.iterdir()]

    assert found == (([], None), 16, 16)
    assert beside == ["copy.db"]
