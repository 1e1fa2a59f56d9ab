"""The chunk engine: it fans the pieces of a request out to callbacks, in tasks and threads.

Read it in this order:

- `worker`: who computes a chunk: a token of a limit, and a place in the tree of nested operations;
- `claims`: one worker at a time for each chunk, and how others wait for it;
- `steps`: what one chunk needs, as generators that never await (the protocol);
- `perform`: the two ways to carry out a step, blocking and awaiting;
- `job`, `read_job`, `write_job`: one operation's pieces, and the loops over them;
- `threads` (with `parked`) and `tasks`: how many workers, and how they end together;
- `fanout`: which of the two, and in which loop.
"""
