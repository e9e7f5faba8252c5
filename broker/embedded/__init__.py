"""The embedded broker: one SQLite file, owned by one process and served to others of the same machine.

server       the owner: lock, socket, lifecycle            broker, session, channels   the port, client's side
switchboard  sessions, model and journal tied together      link, wire                  how the two sides talk
model        the state machine, with catalog, queue_state and ready_line: pure
journal      the writer thread: group commit                store                       the SQLite file
"""

from dalsegno.broker.embedded.broker import EmbeddedBroker
from dalsegno.broker.embedded.server import EmbeddedServer

__all__ = ["EmbeddedBroker", "EmbeddedServer"]
