"""The embedded broker: one SQLite file, owned by one process and served to others of the same machine.

- `server`, `location`: the owner; its lock, its socket, its life.
- `broker`, `session`, `channels`: the port, which is the client's side.
- `memory`: all of it without file, server and thread, for one loop.
- `link`, `local_link`, `wire`: how the two sides talk.
- `switchboard`, `peer`: the server's sessions, the model and the journal tied together.
- `model`, with `catalog`, `queue_state`, `ready_line` and `steps`: the state machine, pure.
- `journal`, `store`: the writer thread with its group commit, and the SQLite file.
"""

from dalsegno.broker.embedded.broker import EmbeddedBroker
from dalsegno.broker.embedded.server import EmbeddedServer

__all__ = ["EmbeddedBroker", "EmbeddedServer"]
