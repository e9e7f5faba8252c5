"""The supervisor of one partition: its actors, from the load to the passivation.

- `partition`          the supervisor; `partition_engine` is what it asks of the engine
- `stored`             an instance from what the store has of it
- `heartbeat_keeping`  when the details of heartbeats are written
- `passivation`        idle instances leave memory
- `lost_tasks`         what lay in a task queue that is gone is sent again
"""
