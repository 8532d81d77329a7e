"""How long a session waits for its client, and how much of it it takes at once."""

from typing import Final

#: How long the socket stays open after an error that is not answered (S-024), in seconds.
SILENT_CLOSE_SECONDS: Final = 3.0
#: How long a client may take to answer our connection.close (S-012), in seconds.
CLOSE_SECONDS: Final = 30.0
#: What a connection may publish to queues that lag, however slow their consumers are, a second.
LAGGING_BYTES_PER_SECOND: Final = 20_000_000
#: When a client's requests take longer than this, the others have a turn in between.
PASS_SECONDS: Final = 0.01
#: How much is read at once.  More makes longer passes, less more system calls and, with large
#: messages, more copying of what a read cut in two.  Speed: with bodies of 100 kB 77 to 99 us a
#: message, with half as much 98 to 105; no difference to small ones (2026-11-27).
READ_BYTES: Final = 512 * 1024
