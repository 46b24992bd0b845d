"""llama.cpp's and ggml's log lines → `logging`, and the last complaints for error messages.

The native libraries print to stderr by default, which belongs to the terminal UI. `install` takes the lines over
before the first model is loaded. A load that fails says why only in the log, so the last warnings and errors are
kept. Thread-safe: ggml logs from its own threads.
"""

import logging
from collections import deque

from engine import bindings
from engine.bindings import llama

_logger = logging.getLogger("steep.native")

# enum ggml_log_level
_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.WARNING, 4: logging.ERROR}
_CONTINUES = 5

_NUM_KEPT = 20
"""Lines kept for error messages: a failed load explains itself in two or three."""

_complaints: deque[str] = deque(maxlen=_NUM_KEPT)


def _take(level: int, text: str) -> None:
    line = text.rstrip("\n")
    if not line or level == _CONTINUES:
        return
    severity = _LEVELS.get(level, logging.DEBUG)
    if severity >= logging.WARNING:
        _complaints.append(line)
    # Warnings too go out as debug: what matters of them comes back through complaints() in an exception.
    _logger.debug("%s", line)


_callback = bindings.log_callback(_take)


def install() -> None:
    """Route all native log lines here; harmless to call again."""
    llama.llama_log_set(_callback, None)


def forget_complaints() -> None:
    _complaints.clear()


def complaints() -> str:
    """The warnings and errors since `forget_complaints`, newest last, as one line."""
    return "; ".join(line.strip() for line in _complaints)
