"""Between messages and the core. Pure.

- `translate`  messages become commands, effects become messages: two tables, put together of what each room
has - `form`       what such a room says of its own - `runs`       what is asked of a run whatever its code
can do, and what is answered and told of it - `activities` tasks, what workers say of their attempts, and what
they are told; `incidents` what persons say of those; `others` what workflows say to each other; `signals`,
`queries` and `updates` what is sent to code - `replies`    what is answered to who asked"""
