"""How much of the disk states may take, all models together, and room for one more conversation.

Only memories of conversations give room here, those of the conversations that changed longest ago first: they can be
read again from their turns. Chunk states stay. Nothing goes without a line in the log.
"""

import shutil
from pathlib import Path

from app.settings import Settings
from app.wording import size
from storage.index import Index
from storage.store import StateStore

_BYTES_PER_GB = 1e9
_FREE_SHARE = 0.1
_MOST_GB = 50
"""Without a setting: a tenth of what is free, or would be without the states; more than this would surprise people."""


def budget_bytes(settings: Settings, states_dir: Path, index: Index) -> int:
    """Bytes that all states together may take."""
    if settings.budget_gb:
        return int(settings.budget_gb * _BYTES_PER_GB)
    free = shutil.disk_usage(_existing(states_dir)).free + _num_used(index)
    return int(min(free * _FREE_SHARE, _MOST_GB * _BYTES_PER_GB))


def make_room(index: Index, store: StateStore, budget: int, num_bytes: int, conversation_id: int) -> str:
    """Let go of other conversations' memories until this one's fits; returns why it does not, or nothing.

    What the conversation has already counts as room: it will be replaced.
    """
    others = dict(index.remembered_conversations())
    wanted = num_bytes - others.pop(conversation_id, 0)
    if _num_used(index) + wanted - sum(others.values()) > budget:
        return _no_room(num_bytes, budget)
    for other in others:
        if _num_used(index) + wanted <= budget:  # asked each time: two conversations may share a file
            break
        store.let_go_of_conversation(other, f"room for another one within the budget of {size(budget)}")
    return "" if _num_used(index) + wanted <= budget else _no_room(num_bytes, budget)


def _num_used(index: Index) -> int:
    return sum(index.state_bytes().values())


def _no_room(num_bytes: int, budget: int) -> str:
    return f"it takes {size(num_bytes)}, and states may take {size(budget)} of the disk (budget_gb)"


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
