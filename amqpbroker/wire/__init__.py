r"""Bytes to events and back, for the server's side of an AMQP 0-9-1 connection.

Sans-IO and deterministic: bytes go in, events come out, and what is to be sent is returned.

    bytes -> Connection.receive, next_event -> frames.py -> assembler.py -> events.py
                        \-> express.py, the shortcut for what repeats
    methods and deliveries -> writer.py -> bytes
"""
