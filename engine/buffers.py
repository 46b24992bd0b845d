"""Memory that states are read into, used again from question to question. Any thread.

Where a GPU is to copy from it, it is memory that the GPU can reach without a detour (`engine.pinned_memory`): such
copies run at the speed of the bus, but pinning is slow, so it is worth keeping. Elsewhere it is memory whose pages are
there already.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.owner import Owner

_MOST_IDLE_BYTES = 512 << 20
"""Kept for the next question; what is more is given back to the system."""

_MOST_WASTE = 2
"""A buffer is used for states of down to half its size."""


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Bytes, and how they are freed."""

    view: memoryview
    free: Callable[[], None]


NewBuffer = Callable[[int], Buffer]
"""Makes a buffer of so many bytes."""


def pageable(num_bytes: int) -> Buffer:
    """Ordinary memory."""
    return Buffer(memoryview(bytearray(num_bytes)), lambda: None)


class BufferPool(Owner):
    """See the module; close it when nobody reads any more."""

    def __init__(self, new_buffer: NewBuffer) -> None:
        self._new_buffer, self._lock = new_buffer, threading.Lock()
        self._idle: list[Buffer] = []

    def take(self, num_bytes: int) -> Buffer:
        """At least so many bytes, which hold anything."""
        with self._lock:
            fitting = [each for each in self._idle if num_bytes <= each.view.nbytes <= _MOST_WASTE * num_bytes]
            if fitting:
                smallest = min(fitting, key=lambda each: each.view.nbytes)
                self._idle.remove(smallest)
                return smallest
        return self._new_buffer(num_bytes)

    def give_back(self, buffer: Buffer) -> None:
        """It is not used any more; those that were used longest ago go first when there are too many."""
        with self._lock:
            self._idle.append(buffer)
            while sum(each.view.nbytes for each in self._idle) > _MOST_IDLE_BYTES:
                self._idle.pop(0).free()

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().free()
