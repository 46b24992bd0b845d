"""KL divergence from logits, against its definition."""

import numpy as np

from engine.divergence import Distributions


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def test_it_is_what_the_definition_says():
    random = np.random.default_rng(3)
    exact, other = (random.normal(0, 3, (5, 1000)).astype(np.float32) for _ in range(2))
    p, q = softmax(exact), softmax(other)
    expected = (p * np.log(p / q)).sum(axis=1)
    assert np.allclose(Distributions.of(exact).divergences(other), expected, rtol=1e-4)


def test_of_itself_it_is_nothing_and_never_less():
    logits = np.random.default_rng(4).normal(0, 30, (50, 5000)).astype(np.float32)
    divergences = Distributions.of(logits).divergences(logits)
    assert (divergences >= 0).all()
    assert (divergences < 1e-3).all()


def test_what_is_added_to_all_logits_changes_nothing():
    logits = np.random.default_rng(5).normal(0, 3, (2, 100)).astype(np.float32)
    assert np.allclose(Distributions.of(logits).divergences(logits + 5), 0, atol=1e-5)
