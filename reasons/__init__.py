"""Why an instance does not move: from what is known of it to one reason, and the others beside it. Pure.

- `reason`: what a reason is, and the answer that `why` gives;
- `of_hosts`, `of_activities`, `of_runs`: all reasons that there are;
- `evidence`: what has to be known, of the run and of the broker;
- `explain`: from the evidence to the reasons, the one that matters first;
- `tally`: how many wait for the same;
- `words`: times and failures in sentences.
"""
