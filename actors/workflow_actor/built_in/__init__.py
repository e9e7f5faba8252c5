"""Workflows of dalsegno's own: every host knows them, whatever code it is given. Their types begin with
`dalsegno.`, as no user's may. They are written as users write theirs, and run as theirs do; their arguments are
JSON as the default converter writes it, whatever converter the hosts have.

- `types`: which there are
- `standalone_activity`: one activity, started by a client
- `schedule`: workflows that are started at times that are said beforehand
"""
