"""What applications have left in the database, sent on to its workflows.

- `relay`  reads rows, publishes them as the commands that they are, and removes them when the broker has them
"""
