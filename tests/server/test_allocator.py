"""The C library keeps what large messages took."""

import subprocess
import sys

PROGRAM = """
import resource
from amqpbroker.server.allocator import keep_large_pieces

assert keep_large_pieces()
for _ in range(10):
    [bytearray(100_000) for _ in range(20)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    [bytearray(100_000) for _ in range(20)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_large_piece_is_not_asked_of_the_kernel_again() -> None:
    faults = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )

    assert int(faults.stdout) < 1_000  # without: 488 pages each time
