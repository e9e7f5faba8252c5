"""Events and snapshots as bytes, and the way back.

- `codec`      what a release reads and writes, as a value: older formats lifted on the way in
- `formats`    what a format is, the first of them, and how a newer one is told from what is broken
- `format_2`   the second, and what becomes of bodies of the first; its layout is `message_pack`
- `format_3`   the third, and what of it the second has no place for
- `pieces`     a large state as bytes, bit by bit
- `splitting`  the way back: large bytes as a value, in steps
- `snapshots`  when one is due
- `loading`    from the newest snapshot and the journal behind it to the state
- `history`    the journal for people
"""
