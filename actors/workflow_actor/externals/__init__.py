"""External workflows: what a run asks of workflows that are not its own: signals, to stop, and to be told how
they end; and signals to its children.

- `intents`        what user code wants, and `wants` the events that become of that
- `events`         what is stored of them; `changes` applies that to the state
- `external`       one request, in the state of who asks
- `decisions`      what comes of what the other says
- `awaited`        how user code asks and waits
- `sends`          what leaves; `shown` is what people see of them
"""
