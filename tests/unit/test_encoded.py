"""What a training step sees of an example."""

from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from classify.labels import LabelScheme
from training.dataset import Example
from training.encoding import Encoded
from training.train_settings import TrainSettings

SCHEME = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": ["trade", "war"]}, {"id": "stance", "labels": ["pro", "con"]}]})


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    return PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer,
        model_max_length=64,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def settings(**changes):
    return TrainSettings(base="unused", output=Path("unused"), data=(), **changes)


def example(**changes):
    values = {
        "id": "1",
        "text": "Kim tiba di Moskow.",
        "context": "Putin menunggu.",
        "labels": {"topic": ("war",), "stance": ()},
        "group": "g",
    }
    return Example(**{**values, **changes})


@pytest.mark.parametrize("training", [True, False])
def test_labels_in_doubt_and_groups_not_spoken_of_are_unknown(tokenizer, training):
    rows = [example(disputed=("war", "pro")), example(labels={"topic": ("trade",)})]
    encoded = Encoded(rows, SCHEME, tokenizer, settings(), training)
    np.testing.assert_array_equal(encoded[0]["labels"], [0, np.nan, np.nan, 0])
    np.testing.assert_array_equal(encoded[1]["labels"], [1, 0, np.nan, np.nan])


def test_context_is_the_second_segment_and_dropped_at_random_in_training_only(tokenizer):
    plain = Encoded([example()], SCHEME, tokenizer, settings(), True)[0]["input_ids"]
    both = Encoded([example()], SCHEME, tokenizer, settings(context=True, context_dropout=0.0), True)[0]
    assert len(both["input_ids"]) > len(plain)
    assert both["input_ids"][: len(plain)] == plain
    assert both["token_type_ids"][len(plain) :] == [1] * (len(both["input_ids"]) - len(plain))
    drawn = Encoded([example()], SCHEME, tokenizer, settings(context=True, context_dropout=0.5), True)
    assert {len(drawn[0]["input_ids"]) for _ in range(40)} == {len(plain), len(both["input_ids"])}
    fixed = Encoded([example()], SCHEME, tokenizer, settings(context=True, context_dropout=0.5), False)
    assert {len(fixed[0]["input_ids"]) for _ in range(40)} == {len(both["input_ids"])}


def test_teachers_share_the_target_with_labels_and_have_all_of_it_without(tokenizer):
    rows = [example(disputed=("pro",)), example(labels={"topic": ("trade",)}), example(labels={})]
    taught = np.asarray([[0.2, 0.6, 0.3, 0.1]] * 3, dtype=np.float32)
    encoded = Encoded(rows, SCHEME, tokenizer, settings(distillation_weight=0.25), True, taught)
    np.testing.assert_allclose(encoded[0]["labels"], [0.05, 0.9, 0.3, 0.025])
    np.testing.assert_allclose(encoded[1]["labels"], [0.8, 0.15, 0.3, 0.1])
    np.testing.assert_allclose(encoded[2]["labels"], [0.2, 0.6, 0.3, 0.1])


def test_slips_are_made_in_training_only_and_keep_the_context(tokenizer):
    rows, made = [example(text="Pyongyang membantah telah mengirim peluru.")], settings(context=True, context_dropout=0.0, slips=1.0)
    clean = Encoded(rows, SCHEME, tokenizer, made, False)[0]["input_ids"]
    slipped = Encoded(rows, SCHEME, tokenizer, made, True)
    drawn = [slipped[0] for _ in range(20)]
    assert all(one["input_ids"] != clean for one in drawn)
    assert len({tuple(one["input_ids"]) for one in drawn}) > 5
    context = tokenizer(example().context, add_special_tokens=False)["input_ids"]
    assert all(one["input_ids"][-len(context) - 1 : -1] == context for one in drawn)
    assert all(np.array_equal(one["labels"], slipped[0]["labels"], equal_nan=True) for one in drawn)
