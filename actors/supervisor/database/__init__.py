"""The database as the host uses it.

- `store_threads`  one thread that writes rounds, one that reads
- `lookups`        what the engine asks beside rounds; `strike_lookup` gathers some of it
- `watermark`      whether this database and this broker are of one age
"""
