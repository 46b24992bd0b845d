"""What people write for a model of the Hugging Face hub. Pure.

OWNER/NAME, with a file behind it (OWNER/NAME/FILE.gguf), a quantisation as llama.cpp and Ollama want it
(OWNER/NAME:Q4_K_M), or the address of any of these pages.
"""

import re
from dataclasses import dataclass

_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_REVISION = re.compile(r"(?:resolve|blob|tree)/[^/]+/?")
_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:[/:](?P<wanted>\S*))?", re.ASCII)

EXAMPLE = "Qwen/Qwen2.5-1.5B-Instruct-GGUF"


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository, and what is wanted of it."""

    repository: str
    wanted: str = ""
    """A file or a quantisation; empty: nothing was said."""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.repository, self.wanted)))


def hub_name(text: str) -> HubName | None:
    """None where it is no such name."""
    rest = _ADDRESS.sub("", text.strip(), count=1).partition("?")[0].rstrip("/")
    match = _NAME.fullmatch(rest)
    if not match:
        return None
    wanted = _REVISION.sub("", match["wanted"] or "", count=1)
    return HubName(match["repository"], wanted)


def complaint_about(text: str) -> str | None:
    """What is wrong with it, for the dialog that asks for it."""
    return None if hub_name(text) else f"Write OWNER/NAME or OWNER/NAME/FILE.gguf, as in {EXAMPLE}."
