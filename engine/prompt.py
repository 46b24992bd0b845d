"""The prompt's parts as tokens: `preamble · chunk … chunk · question · opening of the answer`, then turn by turn.

The preamble is the same for every question, so that chunks encoded behind it stay valid; everything that varies
(the question, the user's own instructions) comes at the end. Change its text here and every chunk state is stale:
the preamble's tokens are part of the fingerprint. A conversation goes on behind the answer: `turn break · "Documents:"
and the new chunks, if there are any · question · opening of the answer`. Documents, questions and answers are tokenized
as untrusted text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.chat_template import turn_frame
from engine.filler import FILLER
from engine.model import Model
from engine.vocabulary import Vocabulary

SYSTEM_TEXT = (
    "You answer questions about the user's documents. Use only what the documents say. "
    "Answer briefly. If the documents do not contain the answer, say that they do not."
)
_DOCUMENTS_OPENING = "Documents:\n\n"
_CHUNK_END = "\n\n"
_QUESTION_OPENING = "Answer from the documents above.\nQuestion: "
_PAST_QUESTION_OPENING = "Question: "
_NOT_SHOWN = "(Those of earlier questions are not shown.)\n\n"

_TEMPLATE_KEY = "tokenizer.chat_template"

_FILLER_SHARE = 8
"""Of a model's window the filler takes one part in so many at most."""


@dataclass(frozen=True, slots=True)
class PromptFrame:
    """Turns texts into the prompt's parts, for one model."""

    vocabulary: Vocabulary
    preamble: tuple[int, ...]
    answer_opening: tuple[int, ...]
    turn_break: tuple[int, ...]
    """What stands between an answer and the user's next text."""
    filler: tuple[int, ...] = ()
    """What stands between preamble and chunk when a chunk is encoded for any place but the first; never in a prompt
    (`engine.filler`). Empty: chunks are encoded once."""

    @property
    def first_positions(self) -> tuple[int, ...]:
        """Where the states of a chunk begin: behind the filler, for any place, and right behind the preamble, for the
        first place, where it is exact. One and the same without a filler."""
        front = len(self.preamble)
        return (front + len(self.filler), front) if self.filler else (front,)

    def first_position_at(self, position: int) -> int:
        """Where the state of a chunk begins that is to stand at a position."""
        return position if position == len(self.preamble) else self.first_positions[0]

    def states_of(
        self, chunks: Iterable[tuple[int, ...]], *, at_front: bool = True
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The states that a prompt over these chunks loads: where each begins, and its tokens. `at_front`: the first of
        them stands right behind the preamble, nothing of a conversation between them."""
        first_position = self.first_positions[-1 if at_front else 0]
        for token_ids in chunks:
            yield first_position, token_ids
            first_position = self.first_positions[0]

    def lead(self, first_position: int) -> tuple[int, ...]:
        """What a state that begins there was encoded behind."""
        return (self.preamble + self.filler)[:first_position]

    def chunk(self, text: str) -> tuple[int, ...]:
        """The tokens of a chunk; they depend on its text alone."""
        return self.vocabulary.tokens_of(text.rstrip() + _CHUNK_END)

    def question(self, text: str, instructions: str = "") -> tuple[int, ...]:
        """The tokens that follow the chunks."""
        wish = f"\n{instructions.strip()}" if instructions.strip() else ""
        return self.vocabulary.tokens_of(f"{_QUESTION_OPENING}{text.strip()}{wish}") + self.answer_opening

    def next_turn(self, *, with_documents: bool) -> tuple[int, ...]:
        """The tokens between an answer and what comes next: the turn's documents, or its question at once."""
        return self.turn_break + (self.vocabulary.tokens_of(_DOCUMENTS_OPENING) if with_documents else ())

    def past_turn(self, question: str, answer: str) -> tuple[int, ...]:
        """The tokens of a turn that is read again as text, without its documents."""
        asked = self.vocabulary.tokens_of(f"{_PAST_QUESTION_OPENING}{question.strip()}")
        return asked + self.answer_opening + self.vocabulary.tokens_of(answer.strip())

    @property
    def no_documents(self) -> tuple[int, ...]:
        """The tokens that stand where documents are announced and past turns come instead."""
        return self.vocabulary.tokens_of(_NOT_SHOWN)


def frame_of(model: Model, vocabulary: Vocabulary, num_filler_tokens: int = 0) -> PromptFrame:
    """Build the frame from the model's own chat template. The filler takes no more of the model's window than a small
    share: where that is short, a chunk behind it must not get where the model was never trained."""
    turn = turn_frame(model.metadata.get(_TEMPLATE_KEY), vocabulary.template_names, SYSTEM_TEXT)
    preamble = vocabulary.tokens_of_template(turn.before) + vocabulary.tokens_of(_DOCUMENTS_OPENING)
    begin = vocabulary.begin_token
    if begin is not None and preamble[:1] != (begin,):
        preamble = (begin, *preamble)
    filler = vocabulary.tokens_of(FILLER)[: min(num_filler_tokens, model.num_trained_positions // _FILLER_SHARE)]
    return PromptFrame(
        vocabulary,
        preamble,
        answer_opening=vocabulary.tokens_of_template(turn.after),
        turn_break=vocabulary.tokens_of_template(turn.between),
        filler=filler,
    )
