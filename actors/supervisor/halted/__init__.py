"""Instances that cannot be run for a defect, of theirs in the database or of ours.

- `crashes`      an actor that raised is thrown away, and what it was told is told to another
- `halts`        which instances are halted, why, and when each is tried again
- `standing_in`  who stands in for those of a partition, and how they come back
- `stand_in`     takes such an instance's mail
"""
