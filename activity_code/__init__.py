"""The code of activities, and how an attempt runs it: what activity workers and actor hosts share.

registry   the activities that there are, by name
context    the running attempt as activity code sees it
execution  how the code of one runs: as a task of a loop, or in a thread
intercepted  interceptors around it, if there are any
interruption  a request to stop, raised in a thread
processes  for sync activities that ask for one
threads    for sync activities
worker_shutdown  that the worker is to end, as activities see it
outcomes   what comes of it, as far as it can be sent and stored
abandoned  whose code still runs although nobody waits for it any more
"""
