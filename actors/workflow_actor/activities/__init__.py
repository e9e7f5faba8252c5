"""Activities: what user code asks for, what is decided about it, and what leaves for it.

- `activity`       a pending activity as data, and what is due for it when
- `events`         what becomes of it, as the journal keeps it; `changes` applies that to the state
- `wants`          what user code wants, as events
- `attempts`       the life of its attempts, decided; `worker_deaths` is what is counted of workers that died
- `heartbeats`     the details that come meanwhile
- `sends`          its task, and the answers to its worker
- `shown`          what people see of it

What `workflow.execute_activity` reaches is in `program.pending_activities`.
"""
