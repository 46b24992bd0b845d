"""Pinned memory, over a device of the test's own."""

import pytest

from engine import pinned_memory
from engine.buffers import BufferPool
from engine.pinned_memory import pinned


def test_what_the_device_gave_is_freed_once_with_its_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[int] = []
    monkeypatch.setattr(pinned_memory, "new_host_buffer", lambda _, n: (77, memoryview(bytearray(n))))
    monkeypatch.setattr(pinned_memory, "free_buffer", freed.append)
    with BufferPool(pinned(1)) as pool:
        buffer = pool.take(100)
        assert buffer.view.nbytes == 100
        pool.give_back(buffer)
        assert freed == []
    assert freed == [77]


def test_where_there_is_no_more_of_it_ordinary_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinned_memory, "new_host_buffer", lambda *_: None)
    buffer = pinned(1)(100)
    assert (buffer.view.nbytes, buffer.view.readonly) == (100, False)
    buffer.free()
