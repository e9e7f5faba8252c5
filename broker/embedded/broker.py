"""The embedded adapter of the broker port."""

from __future__ import annotations

import asyncio
from os import PathLike

from dalsegno.broker.embedded.link import LinkEnd, SocketLink
from dalsegno.broker.embedded.location import Location
from dalsegno.broker.embedded.server import server_here
from dalsegno.broker.embedded.session import EmbeddedSession
from dalsegno.broker.embedded.wire import ClientOperation, ServerOperation, decode_server_operations
from dalsegno.broker.port import OnClosed
from dalsegno.errors import BrokerUnavailableError, ConfigurationError


class EmbeddedBroker:
    """Sessions with the embedded broker in file `path`, which some process on this machine must be serving.

    `held_bytes` bounds what the consumers of each session hold unacknowledged (see `HeldBytes`).
    On the loop of the `EmbeddedServer` itself a session needs no socket; it behaves the same.
    """

    def __init__(self, path: str | PathLike[str], *, held_bytes: int | None = None) -> None:
        self._location = Location.of(path)
        self._held_bytes = held_bytes

    async def connect(self, *, on_closed: OnClosed, name: str = "dalsegno") -> EmbeddedSession:
        """Open a session.

        Raises BrokerUnavailableError while nobody serves the file, ConfigurationError when this user may not
        connect or the owner speaks another version.
        """
        session = EmbeddedSession(self._location.path, on_closed)
        await session.greet(await self._link(session), name, self._held_bytes)
        return session

    async def _link(self, session: EmbeddedSession) -> LinkEnd[ClientOperation]:
        server = server_here(self._location)
        link = None if server is None else server.connect(session)
        return link or await self._connect_socket(session)

    async def _connect_socket(self, session: EmbeddedSession) -> LinkEnd[ClientOperation]:
        link: SocketLink[ServerOperation, ClientOperation] = SocketLink(session, decode_server_operations)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: link, str(self._location.socket))
        except PermissionError as error:
            raise ConfigurationError(
                f"The embedded broker {self._location.path} belongs to another user: run as that user."
            ) from error
        except OSError as error:
            raise BrokerUnavailableError(
                f"Nobody serves the embedded broker {self._location.path}: "
                "start a host with it, or `dalsegno dev`."
            ) from error
        return link
