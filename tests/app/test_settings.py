import re
import tempfile
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SettingsInvalid
from app.settings import STRATEGY_NAMES, Settings, load_settings
from engine.quality.treatments import OUR_FILLER_TOKENS
from engine.requests import Mode
from engine.selection import DEFAULT_STRATEGY, STRATEGIES


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_without_any_source_everything_has_its_default(config: Path):
    assert load_settings(config, {}, {}) == Settings()


def test_flags_beat_environment_beats_file_beats_defaults(config: Path):
    config.write_text("ratio = 0.1\ntop_p = 0.1\nseed = 1\n")
    environment = {"STEEP_RATIO": "0.2", "STEEP_TOP_P": "0.2"}
    settings = load_settings(config, {"ratio": 0.3, "top_p": None, "seed": None}, environment)
    assert (settings.ratio, settings.top_p, settings.seed, settings.threads) == (0.3, 0.2, 1, 0)


def test_the_home_and_foreign_variables_are_no_settings(config: Path):
    assert load_settings(config, {}, {"STEEP_HOME": "/x", "RATIO": "2", "steep_ratio": "2"}) == Settings()


@pytest.mark.parametrize(
    ("key", "hint"), [("ratioo", "did you mean 'ratio'?"), ("contextTokens", "did you mean 'context_tokens'?")]
)
def test_an_unknown_key_of_the_file_is_named_with_a_suggestion(config: Path, key: str, hint: str):
    config.write_text(f"{key} = 1\n")
    with pytest.raises(SettingsInvalid, match=re.escape(f"unknown setting {key!r} ({config}); {hint}")):
        load_settings(config, {}, {})


def test_an_unknown_variable_without_a_similar_key_lists_those_there_are(config: Path):
    unknown = r"'zzz' \(environment variable STEEP_ZZZ\); known are model, .*, mode, .*"
    with pytest.raises(SettingsInvalid, match=unknown):
        load_settings(config, {}, {"STEEP_ZZZ": "1"})


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('ratio = "much"', "a number or auto"),
        ("ratio = true", "a number or auto"),
        ('top_p = "auto"', "a number"),
        ("seed = 1.5", "a whole number"),
        ("seed = true", "a whole number"),
        ("model = 1", "text"),
        ("mode = []", "text"),
    ],
)
def test_a_value_of_another_type_is_refused(config: Path, line: str, wanted: str):
    config.write_text(line)
    key = line.split()[0]
    with pytest.raises(SettingsInvalid, match=re.escape(f"{key} ({config}) must be {wanted}; got ")):
        load_settings(config, {}, {})


def test_a_whole_number_will_do_for_a_number(config: Path):
    config.write_text("ratio = 1")
    assert load_settings(config, {}, {}).ratio == 1.0


@pytest.mark.parametrize("text", ["", "many", "1.5", "0x10"])
def test_a_variable_that_is_no_whole_number_is_refused(config: Path, text: str):
    message = f"seed (environment variable STEEP_SEED) must be a whole number; got {text!r}"
    with pytest.raises(SettingsInvalid, match=re.escape(message)):
        load_settings(config, {}, {"STEEP_SEED": text})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ratio", 1.01),
        ("ratio", -0.01),
        ("ratio", float("nan")),
        ("context_tokens", 63),
        ("chunk_tokens", 4097),
        ("max_answer_tokens", 0),
        ("temperature", float("inf")),
        ("top_p", 0.0),
        ("seed", -1),
        ("gpu_layers", -2),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_the_range(key: str, value: float):
    with pytest.raises(SettingsInvalid, match=rf"^{key} must lie between \S+ and \S+; got {re.escape(repr(value))}$"):
        Settings(**{key: value})


def test_a_value_out_of_its_range_is_refused_with_the_place_it_came_from(config: Path):
    with pytest.raises(SettingsInvalid, match=r"ratio \(environment variable STEEP_RATIO\) must lie between 0 and 1"):
        load_settings(config, {}, {"STEEP_RATIO": "2"})


@pytest.mark.parametrize(("key", "value"), [("mode", "fast"), ("strategy", "luck"), ("kv_type", "q4")])
def test_an_unknown_choice_is_refused_with_the_choices(key: str, value: str):
    with pytest.raises(SettingsInvalid, match=rf"^{key} must be one of .+, .+; got '{value}'$"):
        Settings(**{key: value})


@pytest.mark.parametrize("data", [b"ratio =", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(config: Path, data: bytes):
    config.write_bytes(data)
    with pytest.raises(SettingsInvalid, match=re.escape(f"{config} is not valid TOML")):
        load_settings(config, {}, {})


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(SettingsInvalid, match=re.escape(f"cannot read {tmp_path}: Is a directory")):
        load_settings(tmp_path, {}, {})


def test_the_choices_are_those_of_the_engine():
    assert tuple(STRATEGIES) == STRATEGY_NAMES
    assert Settings().strategy == DEFAULT_STRATEGY
    assert Settings().filler_tokens == OUR_FILLER_TOKENS, "what steep bench quality calls ours"
    for mode in Mode:
        assert Settings(mode=str(mode))


@pytest.mark.parametrize(
    "text",
    [
        '[keys]\n"chat.stop" = "escape,ctrl+c"',
        '[keys]\nchat.stop = "escape,ctrl+c"',
        'keys.chat.stop = "escape,ctrl+c"',
    ],
)
def test_keys_are_a_table_with_or_without_quotes(config: Path, text: str):
    config.write_text(text)
    assert load_settings(config, {}, {}).keys == (("chat.stop", "escape,ctrl+c"),)


@pytest.mark.parametrize("text", ['keys = "escape"', "[keys]\nchat.stop = 1", '[keys]\nchat.stop = ""', "keys = []"])
def test_keys_that_are_no_table_of_texts_are_refused(config: Path, text: str):
    config.write_text(text)
    with pytest.raises(SettingsInvalid, match=re.escape(f"keys ({config}) must be a table of texts")):
        load_settings(config, {}, {})


def test_keys_cannot_be_a_variable(config: Path):
    with pytest.raises(
        SettingsInvalid, match=r"keys \(environment variable STEEP_KEYS\) can be set in the config file"
    ):
        load_settings(config, {}, {"STEEP_KEYS": "chat.stop=escape"})


_VALUES = st.recursive(
    st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=9), st.just(10**400), st.dates()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([field.name for field in fields(Settings)]), _VALUES, max_size=4))
def test_a_file_of_any_values_is_settings_or_says_what_is_wrong(values: dict[str, object]):
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text(tomlkit.dumps(values), "utf-8")
        with suppress(SettingsInvalid):
            assert isinstance(load_settings(config, {}, {}), Settings)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_a_file_of_any_bytes_is_settings_or_says_what_is_wrong(data: bytes):
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_bytes(data)
        with suppress(SettingsInvalid):
            assert load_settings(config, {}, {}) == Settings()


@pytest.mark.parametrize(
    "text",
    ["ratio = " + "[" * 9999, "keys = " + "{a=" * 9999, "ratio = 1" + "0" * 5000, "ratio = 1" + "0" * 400],
)
def test_a_file_that_is_nested_or_numbered_beyond_measure_says_so(config: Path, text: str):
    config.write_text(text)
    with pytest.raises(SettingsInvalid):
        load_settings(config, {}, {})


def test_a_ratio_may_be_left_to_the_program_from_each_source(config: Path):
    config.write_text('ratio = "auto"\n')
    assert load_settings(config, {}, {}).ratio == "auto"
    assert load_settings(config, {}, {"STEEP_RATIO": "0.2"}).ratio == 0.2
    assert load_settings(config, {"ratio": "auto"}, {"STEEP_RATIO": "0.2"}).ratio == "auto"
    assert load_settings(config, {"ratio": 0.3}, {"STEEP_RATIO": "auto"}).ratio == 0.3
