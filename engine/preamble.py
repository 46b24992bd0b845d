"""What stands before every prompt's documents: the system text, a worked example, and the announcement of documents.

    system text · "Documents:" two short ones · question · answer · question · "they do not say" · "Documents:"

The example does two jobs. It shows a small model what is wanted: a short answer, and to say so where there is none. And
chunks are encoded behind it. Behind the system text alone their first tokens draw the attention of all others, since
nothing else stands there (StreamingLLM's attention sinks, Xiao et al. 2024, arXiv 2309.17453), as they do at no place
of a real prompt but the first: such rows are far from those of a full prefill, for all chunks but one. Behind some
other text they come out closer, and since that text is part of the prompt, the first chunk stays exact.
`engine.selection` has the measurements.

It costs its tokens once per model, and their rows in the cache. The preamble is the same for every question. Change a
word here and every chunk state is stale: its tokens are part of the fingerprint. Pure, but for the tokenizer.
"""

from engine.chat_template import TurnFrame
from engine.vocabulary import Vocabulary

SYSTEM_TEXT = (
    "You answer questions about the user's documents. Use only what the documents say. "
    "Answer briefly. If the documents do not contain the answer, say that they do not."
)
DOCUMENTS_OPENING = "Documents:\n\n"
QUESTION_OPENING = "Answer from the documents above.\nQuestion: "

_EXAMPLE_DOCUMENTS = (
    "Cloud Stitch\n\n"
    "Cloud Stitch is a board game for two to five players, designed by Orla Venn and published in 2011. Players lay "
    "hexagonal tiles to form weather fronts; whoever closes the longest front scores. A game takes about forty "
    "minutes. A second edition with wooden tiles followed in 2016 and won a prize for the best game of the year.\n\n"
    "Moss garden, care\n\n"
    "Water the moss in the early morning, with rain water if there is any. Remove leaves by hand, since a rake tears "
    "the cushions. In dry weeks, shade them with a linen cloth. Bare patches close by themselves within two "
    "summers.\n\n"
)
"""About nothing that anybody will ask for, so that no answer comes from here."""

_EXAMPLE_TURNS = (
    ("How long does a game of Cloud Stitch take?", "About forty minutes."),
    ("Who planted the moss garden?", "The documents do not say who planted the moss garden."),
)

_LARGEST_SHARE = 12
"""A model whose window has less than so many times the example's tokens does without it: documents need the room."""


def preamble_of(vocabulary: Vocabulary, turn: TurnFrame, num_positions: int) -> tuple[int, ...]:
    """The tokens; `turn` is the model's chat template around a turn, `num_positions` the window it was trained for."""
    before = vocabulary.tokens_of_template(turn.before)
    begin = vocabulary.begin_token
    if begin is not None and before[:1] != (begin,):
        before = (begin, *before)
    documents, example = vocabulary.tokens_of(DOCUMENTS_OPENING), _example(vocabulary, turn)
    has_room = len(example) * _LARGEST_SHARE <= num_positions
    return before + documents + (example + documents if has_room else ())


def _example(vocabulary: Vocabulary, turn: TurnFrame) -> tuple[int, ...]:
    """From behind the announcement of its documents to before that of the next ones."""
    after, between = vocabulary.tokens_of_template(turn.after), vocabulary.tokens_of_template(turn.between)
    token_ids = vocabulary.tokens_of(_EXAMPLE_DOCUMENTS)
    for question, answer in _EXAMPLE_TURNS:
        asked = vocabulary.tokens_of(QUESTION_OPENING + question)
        token_ids += asked + after + vocabulary.tokens_of(answer) + between
    return token_ids
