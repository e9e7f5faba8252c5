"""Who may own the file, and how it is reached."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer, location
from dalsegno.broker.embedded.location import Location
from dalsegno.errors import BrokerUnavailableError, ConfigurationError
from tests.broker.embedded.owner import OwnerProcess
from tests.broker.embedded.sessions import open_session
from tests.broker.witness import Ends, fill, numbered

# -- who owns the file -----------------------------------------------------------------------------


async def test_starting_and_closing_twice_is_ordinary(path: Path) -> None:
    server = EmbeddedServer(path)
    await server.close()
    await server.start()
    await server.start()
    await server.close()
    await server.close()
    await server.start()
    await (await open_session(path)).close()
    await server.close()


async def test_a_second_owner_is_refused_with_the_first_ones_process(
    path: Path, server: EmbeddedServer
) -> None:
    with pytest.raises(ConfigurationError, match=rf"owned by process {os.getpid()}: stop that one"):
        await EmbeddedServer(path).start()
    await (await open_session(path)).close()


async def test_an_owner_in_another_process_is_respected_until_it_is_gone(path: Path) -> None:
    with OwnerProcess(path) as owner:
        with pytest.raises(ConfigurationError, match=f"owned by process {owner.pid}"):
            await EmbeddedServer(path).start()
        owner.kill()
        async with EmbeddedServer(path):
            assert str(path) in OwnerProcess(path).start()
            await (await open_session(path)).close()


async def test_an_owner_whose_file_is_refused_leaves_it_to_others(path: Path) -> None:
    _write_diary(path)
    with pytest.raises(ConfigurationError, match="embedded broker's file"):
        await EmbeddedServer(path).start()
    _remove(path)
    async with EmbeddedServer(path):
        await (await open_session(path)).close()


async def test_a_folder_that_does_not_exist_is_a_matter_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="folder that exists"):
        await EmbeddedServer(tmp_path / "nowhere" / "broker.db").start()


async def test_without_an_owner_the_error_says_what_to_start(path: Path) -> None:
    with pytest.raises(BrokerUnavailableError, match="start a host with it, or `dalsegno dev`"):
        await EmbeddedBroker(path).connect(on_closed=Ends())


# -- the socket ------------------------------------------------------------------------------------


async def test_the_socket_is_for_its_owner_alone_and_goes_with_the_server(path: Path) -> None:
    async with EmbeddedServer(path):
        found = path.with_name("broker.db.sock").stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
    assert not path.with_name("broker.db.sock").exists()


async def test_a_session_of_the_owners_loop_needs_no_socket(path: Path, server: EmbeddedServer) -> None:
    path.with_name("broker.db.sock").unlink()
    opened = await open_session(path)
    await fill(opened, "q", numbered(1))
    await opened.close()


async def test_the_socket_of_a_killed_owner_is_replaced(path: Path) -> None:
    with OwnerProcess(path) as owner:
        owner.kill()
        assert path.with_name("broker.db.sock").exists()
        with pytest.raises(BrokerUnavailableError):
            await EmbeddedBroker(path).connect(on_closed=Ends())
        assert owner.start() == "serving"
        await (await open_session(path)).close()


async def test_a_path_too_long_for_a_socket_works_as_well(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    path = folder / "broker.db"
    used = Location.of(path).socket
    assert len(os.fsencode(used)) <= location.MAX_SOCKET_PATH_BYTES
    with OwnerProcess(path):
        assert stat.S_IMODE(used.parent.stat().st_mode) == 0o700
        await (await open_session(path)).close()
    assert not used.exists()


async def test_a_folder_for_sockets_that_others_can_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "_SHORT_PATHS", tmp_path)
    monkeypatch.setattr(location, "MAX_SOCKET_PATH_BYTES", 10)
    path = tmp_path / "broker.db"
    Location.of(path).socket.parent.mkdir(mode=0o755)
    with pytest.raises(ConfigurationError, match="only you can enter"):
        await EmbeddedServer(path).start()


async def test_all_ways_to_name_a_file_lead_to_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    async with EmbeddedServer(tmp_path / "real" / "broker.db"):
        for name in ("real/broker.db", "link/broker.db", "real/../link/broker.db"):
            await (await open_session(Path(name))).close()


def _write_diary(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)


def _remove(path: Path) -> None:
    path.unlink()
