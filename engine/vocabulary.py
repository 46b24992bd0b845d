"""Text ↔ tokens of one model.

Text from documents and users is tokenized with special tokens switched off, so that a document that contains
`<|im_end|>` cannot close the turn it stands in. Only the chat template's own text may produce special tokens.
Thread-safe: the native vocabulary is read-only.
"""

import codecs
from collections.abc import Iterable

from engine import bindings
from engine.bindings import llama
from engine.model import Model


class Vocabulary:
    """The vocabulary of a loaded model; valid while the model is open."""

    def __init__(self, model: Model) -> None:
        self._handle = model.vocabulary

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Tokens of untrusted text; never a special token, never a BOS."""
        return tuple(bindings.tokenize(self._handle, text.encode(), add_special=False, parse_special=False))

    def tokens_of_template(self, text: str) -> tuple[int, ...]:
        """Tokens of the chat template's own text, special tokens included, without an automatic BOS."""
        return tuple(bindings.tokenize(self._handle, text.encode(), add_special=False, parse_special=True))

    def count(self, text: str) -> int:
        return len(bindings.tokenize(self._handle, text.encode(), add_special=False, parse_special=False))

    def ends_answer(self, token_id: int) -> bool:
        """Whether a token ends the model's turn (end of text, of turn, or the like)."""
        return llama.llama_vocab_is_eog(self._handle, token_id)

    @property
    def begin_token(self) -> int | None:
        """The BOS token if the model wants one in front of every prompt."""
        return llama.llama_vocab_bos(self._handle) if llama.llama_vocab_get_add_bos(self._handle) else None

    def special_text(self, token_id: int) -> str:
        """How a special token is written in templates, e.g. `<|im_end|>`; empty if there is no such token."""
        if token_id < 0:
            return ""
        return bindings.token_bytes(self._handle, token_id, special=True).decode(errors="replace")

    @property
    def template_names(self) -> dict[str, str]:
        """What chat templates call `bos_token` and `eos_token`."""
        return {
            "bos_token": self.special_text(llama.llama_vocab_bos(self._handle)),
            "eos_token": self.special_text(llama.llama_vocab_eos(self._handle)),
        }

    def text_of(self, token_ids: Iterable[int]) -> str:
        stream = TextStream(self)
        return "".join(stream.push(token_id) for token_id in token_ids) + stream.rest()

    def bytes_of(self, token_id: int) -> bytes:
        return bindings.token_bytes(self._handle, token_id, special=False)


class TextStream:
    """Tokens in, whole characters out: a token may hold only half of a UTF-8 character."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        return self._decoder.decode(self._vocabulary.bytes_of(token_id))

    def rest(self) -> str:
        return self._decoder.decode(b"", final=True)
