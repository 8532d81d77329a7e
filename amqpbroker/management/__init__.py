"""Looks at a broker from outside of AMQP, and changes it.  Loaded only where it is used."""
