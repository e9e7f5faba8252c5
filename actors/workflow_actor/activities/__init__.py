"""Activities: what user code asks for, what is decided about it, and what leaves for it.

- `intents`        what user code asks for; `awaited` is how it does so, and waits; `cancelled` is what it sees
                   when it is cancelled meanwhile
- `wants`          what it wants, as events
- `commands`       what is asked of the instance; `attempts` says what comes of it: the life of an activity's
                   attempts. `worker_deaths` is what is counted of workers that died, `outside` what comes of
                   what others than the worker say
- `activity`       a pending activity as data; `due` says what is due for it when, and what is done then
- `events`         what is stored of them; `changes` applies that to the state
- `heartbeats`     the details that come meanwhile
- `sends`          what leaves: its task, and the answers to its worker
- `shown`          what people see of them
"""
