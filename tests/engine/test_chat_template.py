"""The text around a user turn, from good, odd and hostile templates."""

import pytest

from engine.chat_template import TurnFrame, turn_frame

SYSTEM = "Be brief."
NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_usual_template_gives_the_texts_before_and_after_the_user_turn() -> None:
    frame = turn_frame(CHATML, NAMES, SYSTEM)
    assert frame.before == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
    assert frame.after == "<|im_end|>\n<|im_start|>assistant\n"


def test_a_template_without_a_system_turn_gets_it_in_the_user_turn() -> None:
    refusing = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ m.role }}] {{ m.content }}{% endfor %}"
    )
    assert turn_frame(refusing, NAMES, SYSTEM).before == "<s>[user] Be brief.\n\n"


@pytest.mark.parametrize(
    "template",
    [
        None,
        "",
        "{% for %}",
        "no user text at all",
        "{{ messages[99].content }}",
        "{{ ''.__class__.__mro__ }}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_missing_broken_or_hostile_template_falls_back_to_plain_text(template: str | None) -> None:
    assert turn_frame(template, NAMES, SYSTEM) == TurnFrame("Be brief.\n\n", "\n\n")


def test_the_date_never_changes_the_preamble() -> None:
    dated = "{{ strftime_now('%d %b %Y') }}" + CHATML
    assert turn_frame(dated, NAMES, SYSTEM).before.startswith("01 Jan 2025")


def test_two_turns_show_what_stands_between_an_answer_and_the_next_question() -> None:
    assert turn_frame(CHATML, NAMES, SYSTEM).between == "<|im_end|>\n<|im_start|>user\n"


def test_a_template_that_says_the_system_text_in_the_last_user_turn_does_not_say_it_between_turns() -> None:
    mistral = (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] "
        "{% if loop.last and messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}"
        "{{ m.content }}[/INST]"
        "{% elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
    )
    assert turn_frame(mistral, NAMES, SYSTEM).between == "</s>[INST] "


def test_a_template_that_drops_answers_separates_turns_by_an_empty_line() -> None:
    forgetful = "{% for m in messages if m.role != 'assistant' %}[{{ m.role }}] {{ m.content }}{% endfor %}"
    frame = turn_frame(forgetful, NAMES, SYSTEM)
    assert frame.before == "[system] Be brief.[user] "
    assert frame.between == "\n\n"
