import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.formats import frames
from app.formats.errors import NotText, TooLarge, UnreadableDocument
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.frames import InvalidFrame, Message, answer_with, answer_with_error, read_answer
from app.formats.registry import ReadFile

DOCUMENT = ExtractedDocument(
    "Title", "one two three", (Passage(0, 3, 1, "A > B"), Passage(4, 7), Passage(8, 13, 2, "A > B"))
)
FILE = ReadFile(DOCUMENT, 13, -5)

GOOD: Message = {
    "title": "t",
    "text": "one two",
    "headings": ["A"],
    "passages": [[0, 3, None, None], [4, 7, 2, 0]],
    "num_bytes": 7,
    "mtime_ns": 0,
}


def framed(message: Message) -> bytes:
    pipe = io.BytesIO()
    frames.write(pipe, message)
    return pipe.getvalue()


def sent(message: Message) -> Message:
    """The message after its way through a pipe."""
    received = frames.read(io.BytesIO(framed(message)))
    assert received is not None
    return received


def test_a_document_arrives_as_it_was_sent():
    assert read_answer("a.txt", sent(answer_with(FILE))) == FILE


def test_a_heading_is_sent_once():
    assert answer_with(FILE)["headings"] == ["A > B"]


@given(st.text(), st.lists(st.sampled_from(["A", "B > C", "\u00fc"])))
def test_any_text_arrives(text: str, headings: list[str]):
    text = f"x{text}".encode("utf-8", "replace").decode().replace("\0", "")
    passages = tuple(Passage(0, 1, heading=heading) for heading in headings[:1]) or (Passage(0, 1),)
    file = ReadFile(ExtractedDocument(text, text, passages), 1, 1)
    assert read_answer("a", sent(answer_with(file))) == file


@pytest.mark.parametrize("kind", [NotText, TooLarge, UnreadableDocument])
def test_an_error_arrives_as_what_it_was(kind: type[UnreadableDocument]):
    with pytest.raises(UnreadableDocument) as caught:
        read_answer("a.txt", sent(answer_with_error(kind("other name", "is odd"))))
    assert type(caught.value) is kind
    assert str(caught.value) == "a.txt is odd"


@pytest.mark.parametrize("name", ["Unheard", "Exception", "__name__", 3, None])
def test_an_unknown_error_is_an_unreadable_document(name: object):
    with pytest.raises(UnreadableDocument, match="is odd") as caught:
        read_answer("a.txt", {"error": name, "reason": "is odd"})
    assert type(caught.value) is UnreadableDocument


def test_a_reason_fills_no_screen():
    with pytest.raises(NotText) as caught:
        read_answer("a.txt", {"error": "NotText", "reason": "x" * 100_000})
    assert len(caught.value.reason) == 200


def test_messages_follow_each_other():
    pipe = io.BytesIO(framed({"a": 1}) + framed({}))
    assert [frames.read(pipe), frames.read(pipe), frames.read(pipe)] == [{"a": 1}, {}, None]


@pytest.mark.parametrize("length", [1, 4, 6, 11])
def test_a_pipe_may_end_in_the_middle_of_a_message(length: int):
    assert frames.read(io.BytesIO(framed({"path": "a"})[:length])) is None


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff{}", b"\0\0\0\2[]", b"\0\0\0\2{,", b"\0\0\0\2\xff\xff", b"\0\x10\0\0" + b"[" * (1 << 20)],
    ids=["too long", "no object", "no JSON", "no UTF-8", "too deep"],
)
def test_what_is_no_message_is_refused(data: bytes):
    with pytest.raises(InvalidFrame):
        frames.read(io.BytesIO(data))


def test_a_message_that_is_too_long_is_not_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(frames, "MAX_NUM_BYTES", 8)
    pipe = io.BytesIO()
    with pytest.raises(InvalidFrame, match="at most 8 bytes, this one 9"):
        frames.write(pipe, {"a": 123})
    assert pipe.getvalue() == b""


def test_the_answer_that_the_next_test_breaks_is_good():
    assert read_answer("a", GOOD).document.passages[1] == Passage(4, 7, 2, "A")


@pytest.mark.parametrize(
    "change",
    [
        {"title": None},
        {"text": 3},
        {"text": "one \ud800w"},
        {"text": "one tw\0"},
        {"headings": "A"},
        {"headings": [1]},
        {"headings": []},
        {"passages": []},
        {"passages": None},
        {"passages": [[0, 3, None]]},
        {"passages": [[0, 3, None, None, None]]},
        {"passages": [[0, 8, None, None]]},
        {"passages": [[0, True, None, None]]},
        {"passages": [[0, 3.0, None, None]]},
        {"passages": [["0", 3, None, None]]},
        {"passages": [[-1, 3, None, None]]},
        {"passages": [[0, 3, 0, None]]},
        {"passages": [[0, 3, None, 1]]},
        {"passages": [[0, 3, None, -1]]},
        {"passages": [[3, 4, None, None]]},
        {"passages": [[4, 7, None, None], [0, 3, None, None]]},
        {"num_bytes": -1},
        {"num_bytes": 2**63},
        {"mtime_ns": "now"},
        {"error": "NotText"},
    ],
    ids=str,
)
def test_an_answer_that_describes_no_document_is_refused(change: Message):
    with pytest.raises(InvalidFrame):
        read_answer("a", GOOD | change)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_an_answer_lacks_nothing(key: str):
    with pytest.raises(InvalidFrame):
        read_answer("a", {name: value for name, value in GOOD.items() if name != key})
