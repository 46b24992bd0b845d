"""Memory that states are read into, used again from question to question. Any thread.

Where a GPU is to copy from it, it is memory that the GPU can reach without a detour (pinned): such copies run at the
speed of the bus, but pinning is slow, so it is worth keeping. Elsewhere it is memory whose pages are there already.
"""

import threading
from dataclasses import dataclass

from engine.bindings import free_buffer, new_host_buffer
from engine.owner import Owner

_MOST_IDLE_BYTES = 512 << 20
"""Kept for the next question; what is more is given back to the system."""

_MOST_WASTE = 2
"""A buffer is used for states of down to half its size."""


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Bytes, and what has to be freed with them."""

    view: memoryview
    handle: int | None = None


class BufferPool(Owner):
    """See the module; close it when nobody reads any more."""

    def __init__(self, device: int | None) -> None:
        """`device`: the GPU that copies from the buffers, if there is one."""
        self._device, self._lock = device, threading.Lock()
        self._idle: list[Buffer] = []

    def take(self, num_bytes: int) -> Buffer:
        """At least so many bytes, which hold anything."""
        with self._lock:
            fitting = [each for each in self._idle if num_bytes <= each.view.nbytes <= _MOST_WASTE * num_bytes]
            if fitting:
                smallest = min(fitting, key=lambda each: each.view.nbytes)
                self._idle.remove(smallest)
                return smallest
        pinned = new_host_buffer(self._device, num_bytes) if self._device else None
        return Buffer(pinned[1], pinned[0]) if pinned else Buffer(memoryview(bytearray(num_bytes)))

    def give_back(self, buffer: Buffer) -> None:
        """It is not used any more; those that were used longest ago go first when there are too many."""
        with self._lock:
            self._idle.append(buffer)
            while sum(each.view.nbytes for each in self._idle) > _MOST_IDLE_BYTES:
                _free(self._idle.pop(0))

    def close(self) -> None:
        with self._lock:
            while self._idle:
                _free(self._idle.pop())


def _free(buffer: Buffer) -> None:
    if buffer.handle is not None:
        free_buffer(buffer.handle)
