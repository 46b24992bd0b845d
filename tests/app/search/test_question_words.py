import pytest

from app.search.question_words import search_terms


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who is the captain of the ferry?", ["captain", "ferry"]),
        ("How did he die in 1998, please?", ["die", "1998"]),
        ("Was kostet die Fähre nach Grindlow?", ["kostet", "Fähre", "Grindlow"]),
        ("Qu'est-ce que l'horaire du bac ?", ["horaire", "bac"]),
        ("¿Cuánto cuesta el billete?", ["cuesta", "billete"]),
        ("Quanto costa il biglietto?", ["costa", "biglietto"]),
        ("Onde está o capitão?", ["capitão"]),
        ("Wie heet de kapitein?", ["heet", "kapitein"]),
        ("渡轮的船长是谁？", ["渡轮的船长"]),
        ("フェリーの船長とは何ですか？", ["フェリーの船長"]),
        ("선장에 대해 알려주세요", ["선장"]),
        ("왜 배가 늦나요?", ["배가", "늦"]),
        ("กัปตันคือใคร", ["กัปตันคือ"]),
        ("captain ferry captain", ["captain", "ferry"]),
        ("parse_config and parseConfig", ["parse_config", "parseConfig"]),
    ],
)
def test_what_only_asks_is_left_out(question: str, expected: list[str]):
    assert search_terms(question) == expected


def test_acronyms_that_look_like_small_words_stay():
    assert search_terms("What does WHO say about IT in the US?") == ["WHO", "IT", "US"]
    assert search_terms("WHO IS IT") == []


@pytest.mark.parametrize("question", ["", "?!", "Who is who?", "是什么？"])
def test_nothing_may_be_left(question: str):
    assert search_terms(question) == []
