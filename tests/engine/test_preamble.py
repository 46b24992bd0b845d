"""What stands before every prompt's documents."""

from pathlib import Path

import pytest

from engine.chat_template import TurnFrame
from engine.model import Model
from engine.preamble import SYSTEM_TEXT, preamble_of
from engine.prompt import frame_of
from engine.vocabulary import Vocabulary
from tests.tiny_model import write_tiny_model

WIDE = 1 << 15
"""A window with room for an example in which every letter is a token."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("wide") / "tiny.gguf", context_length=WIDE)


def test_the_example_is_a_conversation_as_it_would_have_been(path: Path) -> None:
    with Model(path) as model:
        vocabulary = Vocabulary(model)
        frame = frame_of(model, vocabulary)
        text = "".join(vocabulary.special_text(token_id) for token_id in frame.preamble)
        asked = frame.question("Who planted the moss garden?")
        answered = vocabulary.tokens_of("The documents do not say who planted the moss garden.")
        last = asked + answered + frame.next_turn(with_documents=True)

    assert frame.preamble[-len(last) :] == last
    assert text.count(SYSTEM_TEXT) == 1
    assert text.count("Documents:") == 2
    assert text.index("Orla Venn") < text.index("About forty minutes.") < text.index("Who planted")


def test_a_model_with_a_small_window_does_without(path: Path) -> None:
    turn = TurnFrame("system\n", "\nassistant\n")
    with Model(path) as model:
        vocabulary = Vocabulary(model)
        plain = vocabulary.tokens_of("system\nDocuments:\n\n")
        sizes = [len(preamble_of(vocabulary, turn, num_positions)) for num_positions in (0, 4096, WIDE)]
        small = preamble_of(vocabulary, turn, 4096)

    assert sizes[0] == sizes[1] == len(small) < sizes[2]
    assert small[-len(plain) :] == plain


def test_a_begin_token_stands_once_in_front(path: Path) -> None:
    with Model(path) as model:
        vocabulary = Vocabulary(model)
        begin = vocabulary.begin_token
        assert begin is not None
        named = vocabulary.special_text(begin)
        said = preamble_of(vocabulary, TurnFrame(f"{named}system\n", "\n"), WIDE)
        added = preamble_of(vocabulary, TurnFrame("system\n", "\n"), WIDE)

    assert said[0] == added[0] == begin
    assert begin not in said[1:] + added[1:]
