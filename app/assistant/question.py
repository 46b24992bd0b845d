"""A question on its way: what was asked, and the means to stop it wherever it is. Any thread."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Stoppable(Protocol):
    """What can be stopped: a job of `engine.runtime`."""

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """See `AssistantPort.ask`."""

    text: str
    conversation_id: int | None
    ordinal: int | None
    scope: tuple[Path, ...]
    vary: bool


class Question:
    """One question; `stop` before, while or after it is worked on."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._lock = threading.Lock()  # guards the two below
        self._job: Stoppable | None = None
        self._is_stopped = False

    @property
    def is_stopped(self) -> bool:
        return self._is_stopped

    def follow(self, job: Stoppable) -> None:
        """From now on, to stop the question is to stop this job."""
        with self._lock:
            self._job = job
            if self._is_stopped:
                job.cancel()

    def stop(self) -> None:
        """Harmless to call again."""
        with self._lock:
            self._is_stopped = True
            if self._job:
                self._job.cancel()
