"""The place for one loaded model, with the keeper of the library that works with it. The assistant's thread only.

Loading, changing and losing a model all pass here, and every outcome is told: `ModelLoading`, then `ModelReady` or
`ModelFailed`. A model that cannot be loaded leaves the one before in its place, loaded again. A window that does not
fit the memory is halved until it does, but never below what one question needs.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from app.assistant.events import ModelFailed, ModelLoading, ModelReady, Trouble
from app.assistant.keeper import Keeper
from app.assistant.port import Tell
from app.errors import AppError, message_of
from app.models.choice import choose_model
from app.models.discovery import list_models
from app.models.listed import name_of
from app.settings import Settings, Value
from app.wiring import Engine, Parts, engine_of
from engine.owner import Owner
from storage.errors import StorageError

_QUESTION_TOKENS = 512
"""Room beside documents and answer that a window must have: the preamble and a question."""

_logger = logging.getLogger(__name__)


class ModelSlot(Owner):
    """See the module."""

    def __init__(self, flags: Mapping[str, Value | None], parts: Parts, tell: Tell) -> None:
        self._flags, self._parts, self._tell = flags, parts, tell
        self._stack = ExitStack()
        self.engine: Engine | None = None
        self.reason = "no model was loaded yet"
        """Why there is no engine, as a sentence for the user."""

    def load(self, path: Path | None = None) -> None:
        """Load the model at `path`, else the one the settings choose; what was loaded before is closed first."""
        before = self.engine.model_path if self.engine else None
        self.close()
        if not self._try(path) and before is not None and before != path:
            failure = self.reason
            if self._try(before):
                self._tell(Trouble(f"{failure} {before.stem} answers again."))

    def has_died(self) -> bool:
        """Whether the compute thread ended by itself."""
        return self.engine is not None and not self.engine.runtime.is_alive

    def close(self) -> None:
        """Stop the keeper, then the engine; harmless to call again."""
        self.engine = None
        self._stack.close()

    def _try(self, path: Path | None) -> bool:
        from engine.errors import EngineError

        name = path.stem if path else self._parts.settings.model
        self._tell(ModelLoading(name))
        try:
            path = path or self._chosen()
            name = name_of(path, list_models(self._parts.locations))
            self._tell(ModelLoading(name))
            self._open(path, name)
        except (AppError, EngineError, StorageError, OSError) as error:
            self._fail(name, message_of(error))
        except Exception as error:
            _logger.exception("A model could not be loaded")
            self._fail(name, f"{name} cannot be loaded: {error!r}")
        return self.engine is not None

    def _fail(self, name: str, reason: str) -> None:
        self.close()
        self.reason = reason
        self._tell(ModelFailed(name, reason))

    def _chosen(self) -> Path:
        def tell_joined(num_done: int, num_total: int) -> None:
            self._tell(ModelLoading(self._parts.settings.model or "the starter model", num_done / num_total))

        return choose_model(self._parts.settings.model, self._parts.locations, tell_joined)

    def _open(self, path: Path, name: str) -> None:
        engine = self._with_fitting_window(path)
        ready = engine.ready
        self._tell(
            ModelReady(
                name,
                path,
                engine.all_fingerprints,
                engine.window,
                ready.blendability.possible,
                ready.blendability.reason,
                ready.load_ms,
            )
        )
        self._stack.enter_context(Keeper(self._flags, engine, self._tell))
        self.engine = engine

    def _with_fitting_window(self, path: Path) -> Engine:
        from engine.errors import ContextTooLarge

        settings = self._parts.settings
        least, num_cells = _least_cells(settings), settings.window_tokens
        while True:
            num_cells = max(num_cells, least)
            try:
                return self._stack.enter_context(engine_of(self._parts, path, num_cells))
            except ContextTooLarge:
                if num_cells == least:
                    raise
                num_cells //= 2
                _logger.info("%s gets a smaller window: %d tokens", path.name, max(num_cells, least))


def _least_cells(settings: Settings) -> int:
    return _QUESTION_TOKENS + settings.context_tokens + settings.max_answer_tokens
