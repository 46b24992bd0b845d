"""Made-up documents for the corpus: a title and blocks of text in one of many languages, with one rare word in it.

The same seed gives the same story. Every format of `tests.corpus_formats` can write every story.
"""

import random
from dataclasses import dataclass

# Sentences of everyday life, written for this purpose. Left out are marks that mean something to a markup.
_SENTENCES = {
    "en": (
        "The ferry leaves the middle pier at seven, unless the fog is thick.",
        "Nobody had counted the lamps since the old keeper retired (that was in 1987).",
        "She wrote the prices on a slate, and wiped them off again every evening.",
        "\u201cTake the narrow stairs\u201d, he said; \u201cthe wide ones don\u2019t lead anywhere.\u201d",
        "About 40% of the apples are pressed & bottled before the first frost.",
        "A goat that can open gates is worth less than one that can't.",
    ),
    "de": (
        "Die Fähre legt um sieben ab, außer wenn über dem Fluß dichter Nebel liegt.",
        "Seit der alte Wärter in Rente ging, hat niemand mehr die Laternen gezählt.",
        "Sie schrieb die Preise auf eine Tafel und wischte sie jeden Abend wieder weg.",
        "„Nimm die schmale Treppe“, sagte er, „die breite führt nirgendwohin.“",
        "Ungefähr 40 % der Äpfel werden vor dem ersten Frost gepreßt und abgefüllt.",
    ),
    "fr": (
        "Le bac quitte la jetée à sept heures, sauf si le brouillard est épais.",
        "Personne n’a compté les réverbères depuis que le vieux gardien est parti.",
        "Elle écrivait les prix sur une ardoise et les effaçait chaque soir.",
        "« Prends l’escalier étroit », dit-il ; « le large ne mène nulle part. »",
        "Près de 40 % des pommes sont pressées avant les premières gelées.",
    ),
    "es": (
        "El transbordador sale a las siete, salvo que la niebla sea muy espesa.",
        "Nadie ha contado las farolas desde que se jubiló el viejo farero.",
        "¿Quién escribió los precios en la pizarra? Ella, y los borraba cada noche.",
        "Casi la mitad de las manzanas se exprime antes de la primera helada del año.",
    ),
    "pl": (
        "Prom odpływa o siódmej, chyba że nad rzeką leży gęsta mgła.",
        "Nikt nie liczył latarni, odkąd stary stróż przeszedł na emeryturę.",
        "Pisała ceny na tabliczce i co wieczór ścierała je z powrotem.",
        "Około czterdziestu procent jabłek wyciska się przed pierwszym przymrozkiem.",
    ),
    "cs": (
        "Přívoz odplouvá v sedm hodin, pokud nad řekou neleží hustá mlha.",
        "Od té doby, co starý hlídač odešel, nikdo lampy nepočítal.",
        "Ceny psala na tabulku a každý večer je zase smazala.",
        "Žluťoučký kůň úpěl ďábelské ódy, dokud nepřišel první mráz.",
    ),
    "tr": (
        "Sis çok yoğun olmadıkça vapur saat yedide iskeleden kalkar.",
        "Yaşlı bekçi emekli olduğundan beri kimse fenerleri saymadı.",
        "Fiyatları bir tahtaya yazar, her akşam yeniden silerdi.",
        "Elmaların yaklaşık yüzde kırkı ilk dondan önce sıkılıp şişelenir.",
    ),
    "ru": (
        "Паром отходит в семь часов, если над рекой не стоит густой туман.",
        "С тех пор как старый сторож ушёл на пенсию, никто не считал фонари.",
        "Она писала цены на доске и каждый вечер стирала их снова.",
        "«Иди по узкой лестнице», сказал он, «широкая никуда не ведёт».",
        "Около сорока процентов яблок выжимают до первых заморозков.",
    ),
    "el": (
        "Το πορθμείο φεύγει στις επτά, εκτός αν η ομίχλη είναι πυκνή.",
        "Κανείς δεν μέτρησε τα φανάρια αφότου έφυγε ο γέρος φύλακας.",
        "Έγραφε τις τιμές σε μια πλάκα και τις έσβηνε κάθε βράδυ.",
        "Περίπου σαράντα τοις εκατό των μήλων στύβονται πριν από την πρώτη παγωνιά.",
    ),
    "ja": (
        "霧が深くないかぎり、渡し船は七時に桟橋を出ます。",
        "年老いた番人が辞めてから、誰も街灯を数えていません。",
        "彼女は値段を石板に書き、毎晩それを消していました。",
        "りんごの約四割は、初霜の前に搾って瓶に詰められます。",
    ),
    "zh": (
        "除非雾很大，渡船七点钟离开中间的码头。",
        "自从老看守退休以后，再也没有人数过路灯。",
        "她把价格写在石板上，每天晚上又把它们擦掉。",
        "大约四成的苹果在第一次霜冻之前榨汁装瓶。",
    ),
    "ko": (
        "안개가 짙지 않으면 나룻배는 일곱 시에 부두를 떠난다.",
        "늙은 지기가 그만둔 뒤로 아무도 등불을 세지 않았다.",
        "그녀는 석판에 값을 적고 저녁마다 다시 지웠다.",
        "사과의 사십 퍼센트쯤은 첫서리가 내리기 전에 짜서 병에 담는다.",
    ),
    "ar": (
        "تغادر العبّارة الرصيف في الساعة السابعة ما لم يكن الضباب كثيفا.",
        "لم يعدّ أحد المصابيح منذ أن تقاعد الحارس العجوز.",
        "كانت تكتب الأسعار على لوح وتمسحها كل مساء.",
    ),
    "he": (
        "המעבורת יוצאת מן הרציף בשבע, אלא אם כן הערפל כבד.",
        "איש לא ספר את הפנסים מאז שפרש השומר הזקן.",
        "היא כתבה את המחירים על לוח ומחקה אותם בכל ערב.",
    ),
}
LANGUAGES = tuple(_SENTENCES)

_UNSPACED = {"ja", "zh"}

_CONSONANTS, _VOWELS = "bdfghklmnprstvwz", "aeiou"
_SYLLABLES = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
_IN_OTHER_LETTERS = {
    "ru": str.maketrans("abdefghiklmnoprstuvwzxq", "абдефгхиклмнопрстувшзйч"),
    "el": str.maketrans("abdefghiklmnoprstuvwzxq", "αβδεφγχικλμνοπρστυθωζξψ"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One block: `kind` is heading, paragraph, list or table; `rows` are cells of lines, one cell but in a table."""

    kind: str
    rows: tuple[tuple[str, ...], ...]
    level: int = 0

    @property
    def lines(self) -> list[str]:
        return [" ".join(row) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Story:
    """A document before it is written in any format; `word` stands in exactly one of its blocks."""

    language: str
    title: str
    blocks: tuple[Block, ...]
    word: str

    @property
    def paragraphs(self) -> list[str]:
        """All of it as plain paragraphs, the title first."""
        return [self.title, *(line for block in self.blocks for line in block.lines)]


def rare_word(number: int, language: str = "en") -> str:
    """A word that no language has, another one for each number; in the letters of the language, where it has few."""
    syllables = []
    for _ in range(4):
        number, index = divmod(number, len(_SYLLABLES))
        syllables.append(_SYLLABLES[index])
    assert number == 0
    return f"q{''.join(syllables)}x".translate(_IN_OTHER_LETTERS.get(language, {}))


def tell(number: int, language: str, num_blocks: int) -> Story:
    """The story of that number; it holds `rare_word(number, language)` once."""
    chance = random.Random(number)
    word = rare_word(number, language)
    place = chance.randrange(num_blocks)
    blocks = tuple(_block(chance, language, word if index == place else None) for index in range(num_blocks))
    return Story(language, f"{number} {_sentence(chance, language)[:30].strip()}", blocks, word)


def _block(chance: random.Random, language: str, word: str | None) -> Block:
    kind = chance.choices(("heading", "paragraph", "list", "table"), (2, 10, 2, 1))[0]
    match kind:
        case "heading":
            rows = [[_sentence(chance, language)[:40].strip()]]
        case "paragraph":
            separator = "" if language in _UNSPACED else " "
            rows = [[separator.join(_sentence(chance, language) for _ in range(chance.randint(1, 6)))]]
        case "list":
            rows = [[_sentence(chance, language)] for _ in range(chance.randint(2, 6))]
        case _:
            num_columns = chance.randint(2, 4)
            rows = [[_cell(chance, language) for _ in range(num_columns)] for _ in range(chance.randint(2, 6))]
    if word:
        row = chance.choice(rows)
        column = chance.randrange(len(row))
        row[column] = _with(chance, row[column], word)
    return Block(kind, tuple(map(tuple, rows)), chance.randint(1, 3))


def _with(chance: random.Random, text: str, word: str) -> str:
    words = text.split(" ")
    words.insert(chance.randint(0, len(words)), word)
    return " ".join(words)


def _sentence(chance: random.Random, language: str) -> str:
    return chance.choice(_SENTENCES[language])


def _cell(chance: random.Random, language: str) -> str:
    return str(chance.randint(0, 9999)) if chance.random() < 0.5 else _sentence(chance, language)[:18].strip()
