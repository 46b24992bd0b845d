"""How much memory this process takes at most while something is measured, beyond what it took before.

Linux keeps the high-water mark itself, and sets it back on request (proc(5): VmHWM, clear_refs). Elsewhere memory is
looked at after each answer, and the figure is what was seen: the peak was that or more.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Bytes of resident memory."""

    num_before_bytes: int
    num_peak_bytes: int
    is_exact: bool
    """Told by the system; otherwise the highest that was seen."""

    @property
    def num_more_bytes(self) -> int:
        return max(0, self.num_peak_bytes - self.num_before_bytes)


class MemoryWatch:
    """Watches from its creation on; one thread."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._is_exact = _reset_peak()
        self._before = self._seen = self._process.memory_info().rss

    def look(self) -> None:
        """Call it now and then."""
        self._seen = max(self._seen, self._process.memory_info().rss)

    def peak(self) -> PeakMemory:
        self.look()
        told = _peak_bytes() if self._is_exact else None
        return PeakMemory(self._before, max(self._seen, told or 0), told is not None)


def _reset_peak() -> bool:
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return _peak_bytes() is not None


def _peak_bytes() -> int | None:
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return None
