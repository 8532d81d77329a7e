"""A quorum queue: what comes back, how often, and in which order (S-299, S-307 to S-312)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from queue_stage import QueueStage, staffs


class QuorumModel(QueueStage):
    letters = st.tuples(
        st.sampled_from([None, 0, 4, 5, 255]),
        st.sampled_from([None, None, None, None, 3]),
        st.sampled_from([0, 0, 40]),
    )

    @initialize(
        delivery_limit=st.sampled_from([None, -1, 0, 1, 2]),
        length_max=st.sampled_from([None, None, 4]),
        ttl_ms=st.sampled_from([None, None, 6]),
        staff=staffs,
    )
    def begin(
        self,
        delivery_limit: int | None,
        length_max: int | None,
        ttl_ms: int | None,
        staff: list[tuple[int, bool, int, int]],
    ) -> None:
        self.open(
            {
                "queue-type": "quorum",
                "delivery-limit": delivery_limit,
                "max-length": length_max,
                "message-ttl": ttl_ms,
            },
            staff,
        )

    def check_after_pass(self) -> None:
        """Nobody is given a message more often than one time more than the limit."""
        limit = self.queue.rules.delivery_limit
        limit = 20 if limit is None else limit
        for copy in self.ready:
            assert limit < 0 or copy.failure_count <= limit
        assert self.queue._failures is not None
        counted = self.queue._failures._counts
        held = self.ready + [
            copy
            for desk in self.desks
            for copy, _, incarnation in desk.unacked.values()
            if incarnation == self.incarnation
        ]
        assert sorted(counted.values()) == sorted(
            copy.failure_count for copy in held if copy.failure_count
        )


TestQuorumModel = QuorumModel.TestCase
TestQuorumModel.settings = settings(settings(), stateful_step_count=60)
