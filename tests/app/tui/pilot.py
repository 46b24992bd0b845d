"""Runs an app without a terminal, and a scenario beside it that presses keys."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from textual.app import App
from textual.pilot import Pilot

from tests.waiting import WAIT_SECONDS


def piloted(app: App, scenario: Callable[[Pilot], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Until the scenario ends; what goes wrong in either is raised."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            try:
                await scenario(pilot)
            finally:
                # As users end it: `run_test` takes the screens from under whatever a timer has just begun.
                app.exit(app.return_value, app.return_code or 0)

    asyncio.run(run())


async def until(pilot: Pilot, condition: Callable[[], object]) -> None:
    """Wait for something that the app does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await pilot.pause(0.01)
