"""The time that a channel's client has to ack what it is given (S-262).

Who does not ack a delivery in time has its channel closed, and the messages go back.  Only the
oldest unacked delivery of a channel counts, as in RabbitMQ; the time is its queue's (the argument
x-consumer-timeout, a policy's consumer-timeout, or the less of both), else the broker's.  RabbitMQ
looks once a minute; here it happens when the time is over.

What a batch costs: a look at the clock, and whether it is the time of the batch before.  There is
one appointment a channel, at the earliest time at which something may be late; what is acked
meanwhile does not move it.

(T1) `_tags[i]` is the last tag that was delivered by `_times_ms[i]`; both ascend.
(T2) There is an appointment while anything is unacked, no later than when the oldest is late.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from amqpbroker.engine.schedule import Appointment
from amqpbroker.spec.errors import ChannelException, precondition_failed

if TYPE_CHECKING:
    from amqpbroker.engine.channel import Channel
    from amqpbroker.engine.queue import Queue

#: How many different times of delivery a channel remembers.  With more, deliveries count as if
#: they had been made a little later.
TIMES_MAX: Final = 1024


class DeliveryTimeout:
    """Watches over the unacked deliveries of one channel."""

    __slots__ = ("_appointment", "_channel", "_shortest_ms", "_tags", "_times_ms")

    def __init__(self, channel: "Channel") -> None:
        self._channel = channel
        self._tags: list[int] = []
        self._times_ms: list[int] = []
        self._shortest_ms: int | None = None  # of the queues that were delivered from
        self._appointment: Appointment | None = None

    def delivered(self, last_tag: int, queue: "Queue") -> None:
        """Deliveries up to *last_tag* were just made, which must be acked."""
        broker = queue.broker
        now_ms = broker.now_ms
        if self._times_ms and self._times_ms[-1] == now_ms:
            self._tags[-1] = last_tag
        else:
            self._tags.append(last_tag)
            self._times_ms.append(now_ms)
            if len(self._tags) > TIMES_MAX:
                self._thin_out()
        timeout_ms = _timeout_of(queue)
        if timeout_ms is None:
            return
        if self._shortest_ms is None or timeout_ms < self._shortest_ms:
            self._shortest_ms = timeout_ms
        if self._appointment is None or now_ms + timeout_ms < self._appointment.due_ms:
            self._await(now_ms + timeout_ms)

    def close(self) -> None:
        """The channel is gone."""
        if self._appointment is not None:
            self._appointment.cancel()
            self._appointment = None
        del self._channel  # it knows this: no cycle must stay

    def _await(self, due_ms: int) -> None:
        if self._appointment is not None:
            self._appointment.cancel()
        self._appointment = self._channel.vhost.broker.schedule.call_at(due_ms, self._look)

    def _look(self) -> None:
        """Close the channel if its oldest delivery is late, else look again in time."""
        self._appointment = None
        channel = self._channel
        oldest = next(iter(channel.unacked), None)
        now_ms = channel.vhost.broker.now_ms
        assert self._shortest_ms is not None, channel  # else there was no appointment
        next_ms = now_ms + self._shortest_ms
        if oldest is None:
            if channel.transaction is not None:  # which may be rolled back
                self._await(next_ms)
                return
            self._tags.clear()
            self._times_ms.clear()
            return
        tag, unacked = oldest
        index = bisect_left(self._tags, tag)
        del self._tags[:index], self._times_ms[:index]
        timeout_ms = _timeout_of(unacked.queue)
        if timeout_ms is not None:
            due_ms = self._times_ms[0] + timeout_ms
            if due_ms <= now_ms:
                channel.connection.close_channel_for(channel.number, _late(channel, timeout_ms))
                return
            next_ms = min(next_ms, due_ms)
        self._await(max(next_ms, now_ms + 1))

    def _thin_out(self) -> None:
        """Forget every second time; what was delivered then counts as of the next."""
        del self._tags[0:-1:2], self._times_ms[0:-1:2]


def _timeout_of(queue: "Queue") -> int | None:
    """How long a delivery of *queue* may be unacked, in milliseconds; None: for ever."""
    timeout_ms = queue.rules.consumer_timeout_ms
    return queue.broker.limits.consumer_timeout_ms if timeout_ms is None else timeout_ms


def _late(channel: "Channel", timeout_ms: int) -> ChannelException:
    return precondition_failed(
        f"delivery acknowledgement on channel {channel.number} timed out. Timeout value used: "
        f"{timeout_ms} ms. This timeout value can be configured, see consumers doc guide to learn "
        "more"
    ).caused_by_no_method()
