"""amqpbroker: an AMQP 0-9-1 broker that existing RabbitMQ clients use unchanged.

Importing the package loads nothing else: starting quickly is a feature, so every part is
imported where it is used.
"""

__version__ = "0.1.0"
