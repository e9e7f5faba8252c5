"""What others see of a run.

- `answers`    answers to commands and questions, and results
- `visible`    the row in the visibility table
- `describe`   a run as `describe` shows it
"""
