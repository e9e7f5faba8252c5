"""What others see of a run.

- `visible`    answers to commands, and the row in the visibility table
- `describe`   a run as `describe` shows it
- `questions`  queries and descriptions, answered without a trace
"""
