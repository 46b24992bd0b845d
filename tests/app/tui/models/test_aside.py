"""Work that the app need not wait for when it ends."""

import asyncio
import threading

import pytest

from app.tui.models.aside import aside
from tests.waiting import WAIT_SECONDS


def test_the_result_of_the_work_comes_back_from_a_thread_of_that_name():
    assert asyncio.run(aside(lambda: threading.current_thread().name, "steep-test")) == "steep-test"


def test_what_the_work_raises_is_raised():
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(aside(fail, "steep-test"))


def test_nobody_waits_for_the_thread_when_the_waiting_is_cancelled():
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(WAIT_SECONDS)

    async def give_up() -> None:
        waiting = asyncio.create_task(aside(work, "steep-test"))
        while not begun.is_set():
            await asyncio.sleep(0.005)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(give_up())
    (thread,) = [each for each in threading.enumerate() if each.name == "steep-test"]
    assert thread.daemon
    may_end.set()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
