"""One run as data, and what can become of it: (state, command) -> events, (state, event) -> state.

- `primitives` puts together what the rooms of the primitives bring
- `state` is all that a snapshot holds; `events` are the facts of the journal
- `inputs` are what user code is stepped with, kept in a `log` since the last sign
- `intents` are those of the run itself
- `decide` answers commands, by a table that shows which events each may lead to; `interpret` makes events of
  what user code wants, by another; `others` has what comes of what other workflows ask and say
- `apply` is the only way in which a state comes to be: a table of what each event does to a `draft` of it,
  whose maps are `chunked_map`s when there is much in them
- `succession` says what follows a run by itself
- `agenda` knows what is due when
"""
