"""One run as data, and what can become of it: (state, command) -> events, (state, event) -> state.

- `state` is all that a snapshot holds; `events` are the facts of the journal
- `decide` answers commands; `interpret` makes events of what user code wants
- `apply` is the only way in which a state comes to be: a table of what each event does to a `draft` of it,
  whose maps are `chunked_map`s when there is much in them
- `agenda` knows what is due when
"""
