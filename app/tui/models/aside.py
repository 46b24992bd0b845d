"""Waits for work on a thread that nobody waits for when the app ends.

Textual's thread workers and asyncio's threads are joined at the end: a folder on a network that is gone, or a hub that
does not answer, would keep the app from ending for minutes.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], name: str) -> T:
    """Run `work` on a thread of that name; raises what it raises. When the waiting is cancelled, the work goes on."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it rises where it is waited for
            future.set_exception(error)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(future)
