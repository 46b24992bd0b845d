"""Measures a model in the background, once: when it has no verdict yet, and the settings allow it.

The thread "steep-gate" asks the index for a verdict, and where there is none, waits for the compute thread to find it;
then it ends. Questions and steeping come first. Closed before the end, nothing is kept, and the next start begins
anew. What it does arrives through `tell`, called on its thread: hand it on, do not work there.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.gate.events import GateMeasured, GateTold, GateTrouble, GateUnderWay
from app.gate.measuring import keep_verdict, measuring
from app.gate.verdicts import verdict_of
from app.locations import Locations
from app.settings import Settings
from app.wiring import Engine
from engine.owner import Owner
from storage.errors import StorageError
from storage.index import Index

if TYPE_CHECKING:
    from engine.requests import GateDone, GateEvent
    from engine.runtime import Job

_logger = logging.getLogger(__name__)


class BackgroundGate(Owner):
    """See the module; starts at once, and does nothing where the model cannot be blended. `close` from any thread."""

    def __init__(
        self, locations: Locations, settings: Settings, engine: Engine, tell: Callable[[GateTold], None]
    ) -> None:
        self._locations, self._settings, self._engine, self._tell = locations, settings, engine, tell
        self._lock = threading.Lock()  # guards the two below
        self._job: Job[GateEvent] | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._main, name="steep-gate", daemon=True)
        if settings.gate and engine.ready.blendability.possible:
            self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it measures, or still has to look whether it should."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop within one node of the graph; harmless to call again."""
        with self._lock:
            self._is_closed = True
            if self._job:
                self._job.cancel()
        if self._thread.ident is not None:
            self._thread.join()

    # --- the thread

    def _main(self) -> None:
        from engine.errors import Cancelled, EngineError

        try:
            self._measure()
        except Cancelled:
            _logger.info("Measuring the model was broken off")
        except (EngineError, StorageError) as error:
            self._tell(GateTrouble(f"The model was not measured: {error}"))
        except Exception as error:
            _logger.exception("Measuring the model failed")
            self._tell(GateTrouble(f"The model was not measured: {error!r}"))

    def _measure(self) -> None:
        with Index(self._locations.index_file) as index:
            if verdict_of(index, self._engine.fingerprint, self._settings.strategy) or not self._begin():
                return
            done = self._followed()
            verdict = keep_verdict(index, self._engine, self._settings, done)
        self._tell(GateMeasured(self._engine.ready.model_name, verdict))

    def _begin(self) -> bool:
        with self._lock:
            if not self._is_closed:
                self._job = measuring(self._engine, self._settings)
            return not self._is_closed

    def _followed(self) -> "GateDone":
        from engine.errors import Cancelled
        from engine.requests import GateDone, GateProgress

        assert self._job is not None, "it has begun"
        for event in self._job:
            match event:
                case GateProgress(num_done, num_total):
                    self._tell(GateUnderWay(num_done, num_total))
                case GateDone():
                    return event
                case _:
                    pass
        raise Cancelled("measuring ended without a verdict")
