"""Times to live of messages and queues against a list and a clock (S-292 to S-295, S-195)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from queue_stage import QUEUE, WORKERS_MAX, QueueStage

from amqpbroker.engine import topology

times_ms = st.sampled_from([None, None, 0, 1, 3, 10])


class ExpiryModel(QueueStage):
    letters = st.tuples(st.none(), times_ms, st.sampled_from([0, 0, 0, 300]))

    @initialize(ttl_ms=st.sampled_from([None, 0, 2, 4]), expires_ms=st.sampled_from([None, 6, 30]))
    def begin(self, ttl_ms: int | None, expires_ms: int | None) -> None:
        self.open({"message-ttl": ttl_ms, "expires": expires_ms})

    @rule()
    def look_whether_it_is_there(self) -> None:
        """A passive declaration is a use of the queue (S-195)."""
        state = topology.check_queue(self.publisher, QUEUE)
        self.touch()

        assert (state.message_count, state.consumer_count) == (len(self.ready), len(self.workers))

    @rule(at=st.integers(0, 2), message_count=st.integers(1, 4), by_ms=st.integers(0, 5))
    def come_too_late(self, at: int, message_count: int, by_ms: int) -> None:
        """In one pass time goes on, and somebody wants what has expired meanwhile (S-294)."""
        for number in range(message_count):
            self.publish_one(None, number, 0)
        self.finish_pass()
        self.advance(by_ms, False)
        if len(self.workers) < WORKERS_MAX:
            self.start(at, True, 0, 0)
        self.finish_pass()

    @rule(by_ms=st.lists(st.sampled_from([1, 5, 6, 30]), max_size=3), looks=st.booleans())
    def leave_it_alone(self, by_ms: list[int], looks: bool) -> None:
        """A queue without consumers lives on as long as it is used in time (S-195)."""
        while self.workers:
            self.cancel(0, False)
        self.finish_pass()
        for one in by_ms:
            self.advance(one, True)
            if looks:
                self.look_whether_it_is_there()

    @rule(first_ms=st.integers(3, 9), second_ms=st.integers(1, 9))
    def take_what_is_next(self, first_ms: int, second_ms: int) -> None:
        """Another message is next then, with another time."""
        for time_ms in (first_ms, second_ms):
            self.publish_one(None, time_ms, 0)
        self.finish_pass()
        self.get(0, True)
        self.finish_pass()

    def check_after_pass(self) -> None:
        """What is next has time left, and the engine asks to be woken when it has not."""
        deadline_ms = self.broker.schedule.next_deadline_ms()
        expires_ms = self.next_copy().expires_ms if self.ready else None
        if expires_ms is not None:
            assert expires_ms > self.now_ms
            assert deadline_ms is not None
            assert deadline_ms <= expires_ms
        if deadline_ms is not None:
            assert deadline_ms > self.now_ms


TestExpiryModel = ExpiryModel.TestCase
TestExpiryModel.settings = settings(settings(), stateful_step_count=60)
