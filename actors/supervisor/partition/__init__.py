"""The supervisor of one partition: its actors, from the load to the passivation.

- `partition`          the supervisor; `surroundings` is what all of an engine are given
- `actor_directory`    its actors in memory: found, made, put in another's place, let go
- `rehydration`        loading and rebuilding, in slices
- `stored`             an instance from what the store has of it, and its actor's notes
- `open_turns`         turns that wait for something, and who is asked for it
- `heartbeat_keeping`  when the details of heartbeats are written
- `passivation`        idle instances leave memory
- `renewal`            instances whose definition has changed are made anew
- `lost_tasks`         what lay in a task queue that is gone is sent again
"""
