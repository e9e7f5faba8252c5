"""The database as the host uses it.

- `store_threads`  one thread that writes rounds, and one for each kind of reading: mail, clock, people
- `reading_thread` a reader on its thread: tried again, and in parts, until it has read
- `own_threads`    where all that runs, unless who builds the host has another place
- `duties`         what is done for the namespace now and then, on another
- `lookups`        what the engine asks beside rounds; `strike_lookup` gathers some of it
- `watermark`      whether this database and this broker are of one age
"""
