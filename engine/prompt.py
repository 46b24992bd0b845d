"""The prompt's fixed parts as tokens: `preamble · chunk … chunk · question · opening of the answer`.

The preamble is the same for every question, so that chunks encoded behind it stay valid; everything that varies
(the question, the user's own instructions) comes at the end. Change any text here and every chunk state is stale:
the preamble's tokens are part of the fingerprint. Documents and questions are tokenized as untrusted text.
"""

from dataclasses import dataclass

from engine.chat_template import turn_frame
from engine.model import Model
from engine.vocabulary import Vocabulary

SYSTEM_TEXT = (
    "You answer questions about the user's documents. Use only what the documents say. "
    "Answer briefly. If the documents do not contain the answer, say that they do not."
)
_DOCUMENTS_OPENING = "Documents:\n\n"
_CHUNK_END = "\n\n"
_QUESTION_OPENING = "Answer from the documents above.\nQuestion: "

_TEMPLATE_KEY = "tokenizer.chat_template"


@dataclass(frozen=True, slots=True)
class PromptFrame:
    """Turns texts into the prompt's parts, for one model."""

    vocabulary: Vocabulary
    preamble: tuple[int, ...]
    answer_opening: tuple[int, ...]

    def chunk(self, text: str) -> tuple[int, ...]:
        """The tokens of a chunk; they depend on its text alone."""
        return self.vocabulary.tokens_of(text.rstrip() + _CHUNK_END)

    def question(self, text: str, instructions: str = "") -> tuple[int, ...]:
        """The tokens that follow the chunks."""
        wish = f"\n{instructions.strip()}" if instructions.strip() else ""
        return self.vocabulary.tokens_of(f"{_QUESTION_OPENING}{text.strip()}{wish}") + self.answer_opening


def frame_of(model: Model, vocabulary: Vocabulary) -> PromptFrame:
    """Build the frame from the model's own chat template."""
    turn = turn_frame(model.metadata.get(_TEMPLATE_KEY), vocabulary.template_names, SYSTEM_TEXT)
    preamble = vocabulary.tokens_of_template(turn.before) + vocabulary.tokens_of(_DOCUMENTS_OPENING)
    begin = vocabulary.begin_token
    if begin is not None and preamble[:1] != (begin,):
        preamble = (begin, *preamble)
    return PromptFrame(vocabulary, preamble, vocabulary.tokens_of_template(turn.after))
