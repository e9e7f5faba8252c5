"""The patches of a run: changes of its code that it has taken, so that it decides alike whenever it runs again.

- `intents`        what user code wants, and `wants` the event that becomes of that
- `events`         what is stored; `changes` applies that to the state
- `awaited`        how user code asks whether a patch counts for its run

A patch counts for a run from where its code first asked for it, if that was not to find out what the run had
done before. What was taken is known to the program when it is built, and is not compared when code runs again:
code that asks no more (`deprecate_patch` was taken out) leads to the same.
"""
