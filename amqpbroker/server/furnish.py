"""What a broker has before anybody has administered it: the default user, and its vhosts (S-339).

The default user is an administrator and may do everything in each vhost.  Its password stands in
the options or in the environment, or is guest's, which everybody knows: so a quick hash of it is
enough, and the start does not wait for a slow one.
"""

import secrets

from amqpbroker.engine import passwords
from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.server.settings import Settings


def furnish(broker: Broker, settings: Settings) -> None:
    """Give an empty broker its default user and vhosts."""
    password_hash = None
    if settings.default_password:
        salt = secrets.token_bytes(passwords.RABBIT_SALT_BYTES)
        password_hash = passwords.hashed_quickly(settings.default_password, salt)
    broker.users.put(User(settings.default_user, password_hash, tags=("administrator",)))
    for vhost_name in settings.vhost_names:
        broker.add_vhost(vhost_name)
        broker.permissions.set(settings.default_user, vhost_name)
    for vhost_name in settings.traced_vhosts:
        broker.trace_on(vhost_name)
    if settings.has_event_exchange:
        broker.turn_on_events(broker.vhosts[settings.default_vhost])
