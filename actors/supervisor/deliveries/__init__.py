"""From a delivery, or a row of mail, to the cause that it is.

- `channel`          one consumer session of a partition's queue, with its `acknowledgement` window
- `intake`           the edge: what is no cause is refused with a reason
- `unread`           messages that cannot be read for a defect of ours
- `mail`             messages kept in the database while their workflow cannot be run
"""
