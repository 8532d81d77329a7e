"""Length limits with every kind of overflow against a list (S-300 to S-303, S-177)."""

from __future__ import annotations

from brokers import Client, declare, make_broker, publish
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from queue_stage import QueueStage, arguments_of, properties_for, staffs


class LimitsModel(QueueStage):
    letters = st.tuples(
        st.sampled_from([None, None, 1, 7]),
        st.sampled_from([None, None, None, None, 0, 3]),
        st.sampled_from([0, 0, 10, 40]),
    )

    @initialize(
        limits=st.sampled_from([(0, None), (1, None), (3, None), (None, 0), (None, 60), (2, 60)]),
        overflow=st.sampled_from([None, "drop-head", "reject-publish", "reject-publish-dlx"]),
        kind=st.sampled_from(["fifo", "fifo", "priority", "quorum"]),
        ttl_ms=st.sampled_from([None, None, 0, 4]),
        staff=staffs,
    )
    def begin(
        self,
        limits: tuple[int | None, int | None],
        overflow: str | None,
        kind: str,
        ttl_ms: int | None,
        staff: list[tuple[int, bool, int, int]],
    ) -> None:
        self.open(
            {
                "queue-type": "quorum" if kind == "quorum" else None,
                "max-priority": 3 if kind == "priority" else None,
                "max-length": limits[0],
                "max-length-bytes": limits[1],
                "overflow": overflow,
                "message-ttl": ttl_ms,
            },
            staff,
        )

    def check_after_pass(self) -> None:
        """Where old messages make room, there are never more than may be."""
        if not self.queue.rules.rejects:
            assert not self.is_too_much(self.ready)
            assert self.queue.limit is not None
            assert not self.queue.limit.is_exceeded(self.queue.ready_count)


TestLimitsModel = LimitsModel.TestCase
TestLimitsModel.settings = settings(
    settings(), max_examples=settings().max_examples * 2, stateful_step_count=50
)


def test_what_the_surplus_hid_expires_in_the_same_pass() -> None:
    client = Client(make_broker())
    queue = declare(client.open(), "q", arguments=arguments_of({"max-length": 1}))
    publish(client.connection.channels[1], "q", b"one too many")
    publish(client.connection.channels[1], "q", b"short", properties=properties_for(None, 0))

    client.finish_pass()

    assert queue.ready_count == 0
