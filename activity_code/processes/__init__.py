"""Processes of a worker's, in each of which one sync activity runs at a time.

words      what a worker and such a process tell each other
spawning   what a new process is given: how to begin, and the code of the activities
in_child   what it does
child      one of them, as the worker sees it
pool       all of them, and what waits for one
execution  how the code of one attempt runs in one

Each has one end of a pair of sockets, and ends when the other is closed, or the worker is gone.
"""
