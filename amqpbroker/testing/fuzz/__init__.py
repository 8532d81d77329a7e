"""A structure-aware fuzzer for AMQP 0-9-1 brokers: ours, and any other.

    seed -> script.py: what several clients say, from grammar.py, harmed by mutation.py
         -> conversation.py: says it, over sockets
         -> strict.py: reads what the broker answers, and takes nothing that is not legal
         -> healthy.py: meanwhile a client that does nothing wrong must be served
         -> local.py: a broker in this process, or remote.py: one behind a URL

A *case* is one conversation.  It depends on its seed alone, so that a seed replays it.  What is
wrong is a `Finding`; docs/fuzzing.md says how to use all this.
"""
