"""What a broker has before anybody has administered it: the default user, and its vhosts (S-339).

The default user is an administrator and may do everything in each vhost.  A broker that keeps its
state is furnished once: whoever deletes the default user, or changes its password, will find it so
after a restart, whatever the settings say.

Where nothing outlives the process, and for guest's password, which everybody knows, a quick hash is
enough, and the start does not wait for a slow one.
"""

import secrets
from typing import Final

from amqpbroker.engine import administration, passwords
from amqpbroker.engine.access import GUEST_NAME, User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.passwords import PasswordHash
from amqpbroker.server.settings import Settings

#: The record that says that it was done.
FURNISHED: Final = "furnished"


def furnish(broker: Broker, settings: Settings) -> None:
    """Give a new broker its default user and vhost, and any broker what else is wanted."""
    user_name, journal = settings.default_user, broker.journal
    if not journal.records(FURNISHED):
        password_hash = _hash_of(settings.default_password, is_kept=journal.keeps)
        user = User(user_name, password_hash, tags=("administrator",))
        administration.put_user(broker, user)
        _open_vhost(broker, user_name, settings.default_vhost)
        journal.put(FURNISHED, ("default",), {})
    for vhost_name in settings.other_vhosts:
        if vhost_name not in broker.vhosts:
            _open_vhost(broker, user_name, vhost_name)
    for vhost_name in settings.traced_vhosts:
        broker.trace_on(vhost_name)
    if settings.has_event_exchange and settings.default_vhost in broker.vhosts:
        broker.turn_on_events(broker.vhosts[settings.default_vhost])


def _open_vhost(broker: Broker, user_name: str, vhost_name: str) -> None:
    administration.add_vhost(broker, vhost_name)
    if broker.users.get(user_name) is not None:
        administration.set_permissions(broker, user_name, vhost_name)


def _hash_of(password: str, *, is_kept: bool) -> PasswordHash | None:
    if not password:
        return None
    if is_kept and password != GUEST_NAME:
        return passwords.hashed(password, secrets.token_bytes(passwords.SALT_BYTES))
    return passwords.hashed_quickly(password, secrets.token_bytes(passwords.RABBIT_SALT_BYTES))
