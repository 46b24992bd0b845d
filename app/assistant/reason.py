"""Why something did not work out, for the user."""

import logging

from app.errors import AppError, message_of
from app.index_blame import blamed_on_index
from storage.errors import StorageError

_logger = logging.getLogger(__name__)


def reason_of(error: Exception) -> str:
    """A sentence or two; empty where the user stopped it. Mistakes of ours go to the log, with their traceback."""
    from engine.errors import Cancelled, EngineError

    if isinstance(error, Cancelled):
        return ""
    if isinstance(error, AppError | EngineError | StorageError | OSError):
        return message_of(error)
    _logger.error("A request failed", exc_info=error)
    if blamed := blamed_on_index(error):
        return message_of(blamed)
    return f"This is a mistake in the program: {error!r}. The log has the details (steep paths)."
