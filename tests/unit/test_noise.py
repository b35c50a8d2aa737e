import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.noise import slip

SENTENCE = "Pyongyang membantah telah mengirim peluru artileri ke Rusia."


def test_one_word_changes_by_one_letter_or_a_swap_and_keeps_its_first():
    seen = set()
    for seed in range(200):
        words, slipped = SENTENCE.split(" "), slip(SENTENCE, np.random.default_rng(seed)).split(" ")
        assert len(words) == len(slipped)
        changed = [(a, b) for a, b in zip(words, slipped, strict=True) if a != b]
        assert len(changed) <= 1
        for before, after in changed:
            assert before[0] == after[0]
            assert abs(len(before) - len(after)) <= 1
            seen.add(len(after) - len(before))
    assert seen == {-1, 0, 1}


def test_same_seed_same_slip():
    assert slip(SENTENCE, np.random.default_rng(3)) == slip(SENTENCE, np.random.default_rng(3))


@pytest.mark.parametrize("text", ["", "AS, PBB & 12.000", "di ke AS", "   "])
def test_text_without_a_long_word_stays(text):
    assert slip(text, np.random.default_rng(0)) == text


@settings(max_examples=200)
@given(st.text(max_size=60), st.integers(0, 1000))
def test_any_text_is_survived(text, seed):
    assert slip(text, np.random.default_rng(seed)).count(" ") == text.count(" ")
