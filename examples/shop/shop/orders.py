"""The web shop's side: an order is placed when the broker has confirmed it."""

import json
from contextlib import suppress

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPConnectionError, NackError

from shop.topology import SHOP

#: How often an order is published before the customer is told to try later.
ATTEMPTS = 3


class NotPlaced(Exception):
    """The broker did not take the order."""


class Orders:
    """Places orders, also when the broker nacks them or the connection is lost."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._parameters.client_properties = {"connection_name": "web"}
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def place(self, order_id: int, cents: int) -> None:
        """Place an order; raises `NotPlaced`."""
        body = json.dumps({"id": order_id, "cents": cents})
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=2, message_id=f"order-{order_id}"
        )
        for _ in range(ATTEMPTS):
            try:
                self._open().basic_publish(
                    SHOP, "orders.new", body.encode(), properties, mandatory=True
                )
            except NackError:
                continue
            except AMQPConnectionError:
                self._channel = None
                continue
            return
        raise NotPlaced(f"order {order_id}")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None and self._connection.is_open:
            with suppress(AMQPConnectionError):
                self._connection.close()

    def _open(self) -> BlockingChannel:
        if self._channel is None:
            self._connection = pika.BlockingConnection(self._parameters)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        return self._channel
