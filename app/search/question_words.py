"""What of a question to search for: its words without those that only make it a question. Pure.

Rare words weigh most in a search, and "what", "who" or "please" are rare in documents without saying what is asked for.
Headings of documentation put into questions, in four or five forms per language, found their section among the first
ten hits in this many of 100 cases with and without those words: English 70-78 → 79-82, French 70-76 → 75-76, Chinese
61-67 → 71-73, Japanese 54-64 → 68-73, Korean 66-75 → 76-79. Questions full of names (MuSiQue) do not care.

A language is not detected for its own sake: the list with most of the question's words is used, so that English "die"
and German "die" are not mixed up.
"""

import re

from storage.search_words import words_of

_LISTS = tuple(
    frozenset(words.split())
    for words in (
        # English
        """a about an and any are as at be been by can could did do does explain find for from give had has
        have he her him his how i in is it its list me mentioned my of on or our please say says shall she
        should show tell that the their them there these they this to us was we were what when where which
        who whom whose why will with would you your""",
        # German
        """als am an auf aus bei bitte das dass dem den der des die ein eine einem einen einer eines er
        erkläre es für gibt hat hatte hatten heißt ich ihr im in ist kann können mein meine mir mit muss
        nach nenne oder sag sich sie sind soll steht über um und uns von vor wann war waren warum was welche
        welchem welchen welcher welches wem wen wenn wer werden wessen wie wieso wir wird wo wofür woher
        wohin womit wurde wurden zeige zu zum zur""",
        # French
        """a à au aux avec avez c ce ces cette combien comment d dans de des dis doit donne du elle elles en
        es est et expliquer explique fait faut il ils j je l la le les leur leurs m ma me mes moi mon montre
        n nous on ont où ou par pas peut peux plaît pour pourquoi qu quand que quel quelle quelles quels qui
        quoi s sa sans se ses si son sont sur t te tu un une vos votre vous y""",
        # Spanish
        """a al cómo como con cuál cual cuáles cuándo cuando cuánta cuántas cuánto cuántos de del dice dime
        dónde donde e el ella ellos en era eran es esta está están este estos explica fue fueron ha han hay
        la las le lo los me mi mis muestra o para por porque puede puedo qué que quién quien quiénes se ser
        sin sobre son su sus te tiene tienen tu un una unos y yo""",
        # Italian
        """a ai al alla alle c che chi ci come con cosa così da dal dalla dei del della delle dell di dice
        dimmi dove e è era erano gli hanno ha i il in l la le lo ma mi mia mio mostra nel nella nell o per
        perché può quale quali quando quanta quante quanti quanto qual se si sono spiega su sul sulla suo
        tra un una uno""",
        # Portuguese
        """a ao aos as até com como da das de diga dize do dos e é ela ele em era eram esta está este
        explique foi foram há isso lhe mais me meu minha mostre na nas no nos o onde os ou para pela pelo
        pode por porque porquê quais qual quando quanta quantas quanto quantos que quê quem são se sem ser
        seu sobre sua tem têm um uma""",
        # Dutch
        """aan als bij dat de deze die dit door een en er geef had heb hebben heeft het hij hoe hoeveel ik
        in is je jij kan kun leg maar me met mij mijn moet naar niet of om ons ook op over te toon tot uit
        van vertel voor waar waarom waarin wanneer waren was wat we welk welke werd wie wij wordt worden ze
        zich zij zijn zou""",
    )
)

_ASKING = """
    请问 请告诉我 告诉我 是什么样 是什么 什么是 什么时候 什么 为什么 为何 怎么样 怎么 怎样 如何 哪些 哪个 哪里
    哪儿 哪位 哪 是谁 谁 多少 是否 有没有 应该 可以 請問 是什麼 什麼是 什麼時候 什麼 為什麼 為何 怎麼 怎樣
    應該 吗 呢 嗎
    とはどういう意味ですか とは何ですか とは何か とは は何ですか 何ですか ですか ますか
    でしょうか ましたか どのような どのように どうやって どうすれば どうして どう なぜ
    いつ どこ 誰が 誰の 誰 どれ どちら どの 何を 何が いくつ いくら について
    教えてください 教えて してください ください
    무엇인가요 무엇인가 무엇이고 무엇을 무엇이 무엇 뭐예요 뭔가요 어떻게 어떤 하나요 인가요 나요 습니까 입니까
    왜(?=_) 언제 어디에 어디서 어디 누구 누가 얼마나 알려_?주세요 설명해_?주세요 주세요 에_대해
    คืออะไร อะไร อย่างไร ยังไง ทำไม เมื่อไหร่ เมื่อใด ที่ไหน ใคร
    เท่าไหร่ เท่าไร หรือไม่ กรุณา โปรด
"""
"""Chinese, Japanese, Korean, Thai: what asks, the longer before the shorter; `_` is a space."""

_PHRASE = re.compile("|".join(_ASKING.split()).replace("_", " "))


def search_terms(question: str) -> list[str]:
    """The words to search for first; may be none. As the question has them, each once."""
    words = words_of(_PHRASE.sub(" ", question))
    small = max(_LISTS, key=lambda words_of_language: sum(word.lower() in words_of_language for word in words))
    return list(dict.fromkeys(word for word in words if word.lower() not in small or _is_acronym(word, question)))


def _is_acronym(word: str, question: str) -> bool:
    """WHO, IT, US."""
    return len(word) > 1 and word.isupper() and not question.isupper()
