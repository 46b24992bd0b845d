"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

WAIT_SECONDS = 60
"""Far more than anything here takes: a machine that is busy must not fail a test."""


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition, never for a time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
