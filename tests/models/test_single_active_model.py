"""A single active consumer, and who takes over from it (S-271 to S-273)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from queue_stage import Copy, QueueStage, Worker, staffs


class SingleActiveModel(QueueStage):
    served: Worker | None = None  # last

    @initialize(is_quorum=st.booleans(), staff=staffs)
    def begin(self, is_quorum: bool, staff: list[tuple[int, bool, int, int]]) -> None:
        queue_type = "quorum" if is_quorum else "classic"
        self.open({"single-active-consumer": True, "queue-type": queue_type}, staff)

    def deliver(self, worker: Worker, copy: Copy) -> None:
        """Nobody else is served while the active one is there and has not made way."""
        served, self.served = self.served, worker
        if served in self.workers and served is not worker:
            assert served is not None
            assert self.is_quorum
            assert worker.priority > served.priority
            assert served.held_count() == 0
        super().deliver(worker, copy)


TestSingleActiveModel = SingleActiveModel.TestCase
TestSingleActiveModel.settings = settings(settings(), stateful_step_count=60)
