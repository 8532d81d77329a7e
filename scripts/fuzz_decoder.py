"""Let coverage guide random bytes through the decoder (`amqpbroker/testing/fuzz/decoder.py`).

Needs atheris in the environment that runs it; docs/fuzzing.md says how:

    python scripts/fuzz_decoder.py CORPUS-DIRECTORY [-max_total_time=300] [-artifact_prefix=DIR/]
    python scripts/fuzz_decoder.py FILE           reads one input again
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Fuzz until the time is over or something is found."""
    atheris: Any = import_module("atheris")
    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["amqpbroker"]):
        from amqpbroker.testing.fuzz.decoder import first_inputs, read
    places = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    if places and not places[0].exists():
        places[0].mkdir(parents=True)
        for number, data in enumerate(first_inputs()):
            (places[0] / f"{number}").write_bytes(data)
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
