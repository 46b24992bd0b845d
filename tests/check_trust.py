"""Everything that the store must survive, in numbers: `make trust-check`, six minutes on 2 CPU cores.

python -m tests.check_trust [--kills N] [--files N] [--processes N] [--operations N] [--indexes N] [--seed N]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import engine.bindings  # noqa: F401 - before numpy, see there
from tests.trust import crowd, full_disk, hostile_index, kills, mutations

_LIMITS = (0, 1, 4096, 5000, 9000, 20_000, 40_000, 70_000, 100_000, 150_000, 200_000, 300_000, 500_000, 1 << 24)


def main() -> None:
    arguments = _parsed()
    _part(
        f"{arguments.kills} kill -9 in steeping, eviction, removal and migration",
        lambda folder: kills.run(folder, arguments.kills, arguments.seed, show=_show(arguments.kills)),
    )
    _part(
        f"{arguments.files:,} damaged chunk files",
        lambda folder: mutations.run(folder, arguments.files, arguments.seed),
    )
    _part(
        f"{arguments.processes} processes x {arguments.operations} operations",
        lambda folder: f"{crowd.run(folder, arguments.processes, arguments.operations)} documents, none lost",
    )
    _part(
        f"{arguments.indexes} damaged indexes",
        lambda folder: hostile_index.run(folder, arguments.indexes, arguments.seed),
    )
    _part(f"files that end at {len(_LIMITS)} sizes", lambda folder: full_disk.run(folder, _LIMITS))


def _part(title: str, run: Callable[[Path], object]) -> None:
    """What goes wrong is an AssertionError, and ends it all."""
    started = time.monotonic()
    print(f"{title} ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="steep-trust-") as folder:
        result = run(Path(folder))
    print(f"  {result}\n  {time.monotonic() - started:.0f} s", flush=True)


def _show(total: int) -> Callable[[int], None]:
    def show(number: int) -> None:
        if number and number % 50 == 0:
            print(f"  {number} of {total}", flush=True)

    return show


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {
        "kills": 320, "files": 5600, "processes": 8, "operations": 200, "indexes": 400, "seed": 1,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
