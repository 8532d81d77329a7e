"""An operator's mistake: what is asked of the broker itself, beside AMQP, and cannot be done.

A third kind of failure, beside a peer's mistake (`spec.errors`) and ours (an assertion).  Whoever
asked is told in one line; nothing is changed.
"""


class OperatorError(ValueError):
    """What cannot be done, and why, in one line without a full stop."""
