"""Child workflows: what a run has started beside it, is told of, and sees to when it ends.

- `intents`        what user code wants, and `wants` the events that become of that
- `events`         what is stored of them; `changes` applies that to the state
- `child`          a child in its parent's state
- `decisions`      what comes of what a child says
- `awaited`        how user code waits for them, and `cancelled` what it sees when that is cancelled
- `sends`          what leaves; `shown` is what people see of them
"""
