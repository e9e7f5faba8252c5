"""Events and snapshots as bytes, and the way back.

- `codec`      CBOR of `[format, body]`, older formats lifted on the way in
- `snapshots`  when one is due
- `loading`    from the newest snapshot and the journal behind it to the state
- `history`    the journal for people
"""
