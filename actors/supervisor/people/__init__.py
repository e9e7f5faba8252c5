"""What is asked beside the path of a command.

- `control`         the control queue, and tasks that no worker survived
- `declaring`       search attributes that clients declare, or take back
- `other_runs`      requests about a run that is not its workflow's current one
- `stored_answers`  what rows alone can answer; `messages` makes messages of it that their reader can take
"""
