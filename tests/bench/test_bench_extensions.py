"""The loads of what goes beyond the standard: priorities, many keys, arguments of queues."""

from __future__ import annotations

from bench.messages import Graded, Keyed
from bench.throughput import Throughput
from bench.workloads import find_workloads


def test_priorities_go_round_and_every_content_has_one_size() -> None:
    messages = Graded(priority_count=3).cycle("", "queue")

    assert len({message.raw_publish for message in messages}) == 3
    assert len({message.content_bytes for message in messages}) == 1
    assert Graded(priority_count=3).content_sizes() == [one.content_bytes for one in messages]


def test_keys_are_all_different_and_as_long_as_a_queues_name() -> None:
    messages = Keyed(key_count=200).cycle("x", "amqpbroker-bench.000")

    assert len({message.raw_publish for message in messages}) == 200
    assert len({len(message.raw_publish) for message in messages}) == 1


def test_a_consistent_hash_has_every_queue_bound_once() -> None:
    (workload,) = find_workloads(["consistent-hash"])
    plan = workload.plan
    assert isinstance(plan, Throughput)

    assert plan.ground.bindings == tuple((index, "1") for index in range(10))
    assert plan.expected_count(1000) == 1000


def test_the_queues_of_a_workload_have_its_arguments() -> None:
    (workload,) = find_workloads(["priority-queue"])
    plan = workload.plan
    assert isinstance(plan, Throughput)

    assert plan.ground.queue_arguments == {"x-max-priority": 5}
