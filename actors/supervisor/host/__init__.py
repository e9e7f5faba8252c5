"""The shell around the engine.

- `host`       owns the loop, the connections and the threads
- `host_mail`  what hosts tell one another
- `cut_off`    when a host that the broker takes nothing from gives its partitions up
"""
