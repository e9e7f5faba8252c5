"""The shell around the engine.

- `host`           owns the loop, the connections and the threads
- `beside`         what it does now and then beside its partitions
- `host_mail`      what hosts tell one another
- `broker_events`  tells the engine what the link says of the broker
- `repeating`      what a host does again and again
- `readiness`      when a host may say that it is ready
- `cut_off`        when a host that the broker takes nothing from gives its partitions up
"""
