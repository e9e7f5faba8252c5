"""Wire protocol v1: the messages (`messages`), their encoding (`codec`), and derived IDs (`ids`).

Messages stand by who speaks to whom: `to_workflow`, `activities`, `between_workflows`, `replies`, `control`,
`between_hosts`; what they are made of is in `fields`. `shown_runs`: other names for what is shown of runs.
"""
