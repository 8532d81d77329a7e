"""Classic priorities against a list that is looked through (S-296 to S-298, S-173)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from queue_stage import QueueStage, staffs


class PriorityModel(QueueStage):
    letters = st.tuples(
        st.sampled_from([None, 0, 1, 2, 3, 9, 255]),
        st.sampled_from([None, None, None, None, 2]),
        st.just(0),
    )

    @initialize(
        priority_max=st.sampled_from([0, 1, 2, 5, 255]),
        ttl_ms=st.sampled_from([None, None, 4]),
        staff=staffs,
    )
    def begin(
        self, priority_max: int, ttl_ms: int | None, staff: list[tuple[int, bool, int, int]]
    ) -> None:
        self.open({"max-priority": priority_max, "message-ttl": ttl_ms}, staff)

    @rule()
    def take_the_whole_queue(self) -> None:
        """Highest level first, in each the order of publishing, whatever came back meanwhile."""
        self.finish_pass()
        levels = max(self.queue.rules.priority_max or 0, 1)
        expected = sorted(self.ready, key=lambda one: (-min(one.priority, levels), one.number))
        count = len(self.desks[0].unacked)
        while self.ready:
            self.get(0, False)

        taken = list(self.desks[0].unacked.values())[count:]
        alive = [one for one in expected if one in {copy for copy, _, _ in taken}]
        assert [copy for copy, _, _ in taken] == alive


TestPriorityModel = PriorityModel.TestCase
TestPriorityModel.settings = settings(settings(), stateful_step_count=60)
