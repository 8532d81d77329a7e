"""AMQP 0-9-1's nouns: constants, errors, field tables, methods and message properties.

Everything here is sans-IO and deterministic, and imports nothing of the other layers.
"""
