"""Effects on their way, from the commit to the broker's confirm.

- `shipping`         from committed effects to messages; a `shipment` is one of them on its way
- `shipment_state`   its states, and what may follow what
- `outbox`           what becomes of each: confirmed, tried again, parked, dropped, given up
- `departures`       which of them are given to the publisher, and when
- `slow_shipments`   which of them may have to be parked
- `weight`           how many bytes they are, and who waits until they are fewer
- `lanes`            what must not overtake what
- `barriers`         exchanges that the broker does not let us publish to
- `line_up`          finds the message over which the broker closes the channel
- `word_of_effects`  what an instance is told of effects that cannot leave as they are
- `error_instead`    what is answered when the broker never takes the answer itself
- `dead_letters`     messages that nobody can ever handle
"""
