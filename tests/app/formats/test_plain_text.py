from app.formats.plain_text import MAX_PARAGRAPH_NUM_CHARS, PIECE_NUM_CHARS, extract


def texts(data: bytes) -> list[str]:
    document = extract(data, "notes.txt")
    return [document.text[passage.start : passage.end] for passage in document.passages]


def test_paragraphs_are_separated_by_blank_lines():
    assert texts(b"one\nstill one\n\n\n  two\n\n") == ["one\nstill one", "  two"]


def test_the_title_is_the_file_name_without_its_suffix():
    assert extract(b"text", "My notes.v2.txt").title == "My notes.v2"


def test_the_text_is_the_decoded_file():
    assert extract("\ufeffé\r\n".encode(), "a.txt").text == "é\n"


def test_a_blank_file_has_no_passages():
    assert texts(b" \n\t\n") == []


def test_a_book_in_one_line_is_cut_behind_sentences():
    sentence = b"The keeper rows to the rock before breakfast. "
    passages = texts(sentence * 200)
    assert all(passage.endswith("breakfast.") for passage in passages)
    assert max(map(len, passages)) <= PIECE_NUM_CHARS
    assert " ".join(passages) == (sentence * 200).decode().strip()


def test_a_line_without_any_space_is_cut_by_length():
    passages = texts(b"x" * 2001)
    assert "".join(passages) == "x" * 2001
    assert max(map(len, passages)) <= PIECE_NUM_CHARS
    assert min(map(len, passages[:-1])) > PIECE_NUM_CHARS / 2


def test_a_paragraph_of_ordinary_length_stays_whole():
    assert len(texts(b"word " * (MAX_PARAGRAPH_NUM_CHARS // 5))) == 1
