"""How many threads read states."""

from engine.model import usable_cores

_MOST_THREADS = 8
"""Reading and checking a gigabyte takes a core 0.2 s (page cache, xxh3), and a bus takes 25 GB/s."""


def num_loader_threads() -> int:
    """How many read at once: half of the cores, for the other half computes."""
    return max(1, min(_MOST_THREADS, usable_cores() // 2))
