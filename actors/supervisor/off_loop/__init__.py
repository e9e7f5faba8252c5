"""What turns wait for while the host's loop goes on: local activities, on a thread of their own, and the
payload store.

- `handover`       things handed from one thread to the loop of another
- `local_run`      one local activity: its attempts, the pauses between them, its timeouts
- `local_bench`    the loop on which they run, and how many at once
- `local_worker`   the host's side: what is begun, and who is told what comes of it
- `payload_fetching`   what code reads of the payload store, and what it has made for it
"""
