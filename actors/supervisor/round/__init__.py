"""What is committed together, and who is told of it.

- `round`        all activations from the first to the effects that may then leave
- `open_rounds`  the one that is being gathered, and the one that is being written
- `waiters`      who waits for runs to end
- `observed`     what an observer is told of it
- `suspensions`  what is said of a run whose code was suspended, or goes on again
"""
