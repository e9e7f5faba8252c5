"""One run as data, and what can become of it: (state, command) -> events, (state, event) -> state.

- `state` is all that a snapshot holds; `events` are the facts of the journal
- `decide` answers commands with a `decision`; `interpret` makes events of what user code wants
- `apply` is the only way in which a state comes to be; `wants` and `sending` are parts of it
- `activities`, `attempts`, `heartbeats`: an activity as data, its attempts' life, what they tell meanwhile
- `agenda` knows what is due when
"""
