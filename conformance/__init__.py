"""Cases that any AMQP broker can be held against, and what real RabbitMQs said to them.

See README.md beside this file; `python -m conformance --help` runs them.
"""
