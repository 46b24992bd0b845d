"""A state that loader threads read, piece by piece, and the memory that it goes to.

Opened by one thread and shared from then on: `reading` is for any of them, all else for whoever holds the lock that
they share. The file is closed, and the memory goes back to the pool, when the state is finished with and its last
reader has left, however it ends; memory that was handed on belongs to whoever has it.
"""

from engine.buffers import Buffer, BufferPool
from engine.ports import StateReading, StateSource
from storage.values import Miss


class OpenState:
    """See the module. Begin it with `opened`."""

    def __init__(self, reading: StateReading, buffer: Buffer, pool: BufferPool) -> None:
        self.reading = reading
        self._buffer: Buffer | None = buffer
        self._pool = pool
        self._num_taken = self._num_readers = 0
        self._is_finished = self._is_closed = False

    @property
    def has_pieces(self) -> bool:
        """Which nobody has taken."""
        return self._num_taken < self.reading.num_pieces and not self._is_finished

    def take(self) -> int:
        """The next piece; its reader calls `leave` afterwards."""
        self._num_readers += 1
        self._num_taken += 1
        return self._num_taken - 1

    def leave(self) -> None:
        self._num_readers -= 1
        self._close_if_alone()

    def hand_on(self) -> Buffer:
        """The state is complete: its memory is the caller's."""
        buffer, self._buffer = self._buffer, None
        assert buffer is not None, "a state is complete once"
        return buffer

    def finish(self) -> None:
        """No more pieces are wanted; harmless to say again."""
        self._is_finished = True
        self._close_if_alone()

    def _close_if_alone(self) -> None:
        if not self._is_finished or self._num_readers or self._is_closed:
            return
        self._is_closed = True
        self.reading.close()
        if self._buffer is not None:
            self._pool.give_back(self._buffer)


def opened(source: StateSource, pool: BufferPool) -> OpenState | Miss:
    """Begin to read a state; any thread. Opens its file and takes memory, which may take a while."""
    buffer = pool.take(source.num_bytes)
    try:
        reading = source.open(buffer.view)
    except BaseException:
        pool.give_back(buffer)
        raise
    if isinstance(reading, Miss):
        pool.give_back(buffer)
        return reading
    return OpenState(reading, buffer, pool)
