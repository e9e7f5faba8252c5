"""Local activities: activities that the host itself runs, in the turn that wants them. User code asks for them,
and waits, as for others (`activities.awaited`), and is given the same input.

- `wants`           what user code wants, as events
- `local_activity`  a pending one as data
- `work`            what the host is to run, or to stop
- `commands`        what comes of that; `decisions` says what it means
- `events`          what is stored of them; `changes` applies that to the state
- `due`             what is due for one whose host has died, or that backs off
- `shown`           what people see of them
"""
