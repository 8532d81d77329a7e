"""The broker itself: exchanges route, queues hold, channels deliver and settle.

Sans-IO and deterministic: the engine owns no clock, no dice and no names; `ports.py` says what
it asks of the world.
"""
