"""A head fitted before fine-tuning starts."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig, RobertaForSequenceClassification

from classify.labels import LabelScheme
from training.headstart import INVERSE_PENALTY, WIDTH, fit_head, pool_by_mean, start_head, supported
from training.loss import GroupedLoss

SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24, "num_labels": 4}
SCHEME = LabelScheme.from_dict(
    {"groups": [{"id": "tone", "exclusive": True, "labels": ["good", "bad"]}, {"id": "topic", "labels": ["war", "trade"]}]}
)


@pytest.fixture(params=[(BertConfig, BertForSequenceClassification), (RobertaConfig, RobertaForSequenceClassification)])
def model(request):
    torch.manual_seed(3)
    config, network = request.param
    return network(config(**SIZES, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)).eval()


def batch(rows=40):
    random = np.random.default_rng(1)
    ids = torch.from_numpy(random.integers(5, 50, (rows, 9)))
    attention = torch.ones_like(ids)
    attention[::2, 6:] = 0
    return {"input_ids": ids, "attention_mask": attention}


def test_the_top_layer_gives_the_mean_of_the_words(model):
    rows = batch()
    pool_by_mean(model.base_model.encoder.layer[-1])
    with torch.no_grad():
        *_, below, top = model.base_model(**rows, output_hidden_states=True).hidden_states
    mask = rows["attention_mask"][..., None]
    mean = torch.nn.functional.layer_norm((below * mask).sum(1) / mask.sum(1), (16,))
    likeness = torch.nn.functional.cosine_similarity(top[:, 0], mean)
    assert likeness.min() > 0.95
    # Not the first word's own state, nor the padding's.
    assert likeness.mean() > torch.nn.functional.cosine_similarity(below[:, 0], mean).mean() + 0.05


def test_the_head_tells_labels_from_the_start_and_stays_trainable(model):
    rows = batch()
    # One word decides.
    war = torch.arange(40) < 20
    rows["input_ids"][war, :3] = 7
    wanted = np.stack([war, ~war, war, np.full(40, False)], axis=1).astype(np.float32)
    wanted[:, 3] = np.nan
    start_head(model, [rows], wanted, GroupedLoss(SCHEME), SCHEME)
    logits = model(**rows).logits
    assert ((logits[:, 0] > logits[:, 1]) == war).float().mean() > 0.85
    GroupedLoss(SCHEME)(logits, torch.from_numpy(wanted)).backward()
    still = [name for name, values in model.named_parameters() if values.grad is None or not values.grad.any()]
    # The queries hold nothing yet, so the keys wait for them; RoBERTa has no use for the pooler that it may carry.
    top = "encoder.layer.2"
    assert all(".key." in name or "token_type" in name or f"{top}.intermediate" in name for name in still), still


def test_exclusive_labels_come_out_as_in_scikit_learn():
    random = np.random.default_rng(0)
    states = random.normal(size=(60, 8))
    truth = (states[:, 0] + 0.3 * random.normal(size=60) > 0).astype(int)
    one = LabelScheme.from_dict({"groups": [{"id": "tone", "exclusive": True, "labels": ["a", "b", "c"]}]})
    truth[:10] = 2
    wanted = torch.from_numpy(np.eye(3)[truth])
    weight, bias = fit_head(torch.from_numpy(WIDTH * states), wanted, GroupedLoss(one), one)
    theirs = LogisticRegression(C=INVERSE_PENALTY, tol=1e-8, max_iter=1000).fit(states, truth)
    scores = torch.softmax(torch.from_numpy(WIDTH * states).float() @ weight.T + bias, dim=1)
    assert np.abs(scores.numpy() - theirs.predict_proba(states)).max() < 0.01


def test_rows_that_say_nothing_of_a_group_change_nothing_for_it():
    random = np.random.default_rng(2)
    states = torch.from_numpy(random.normal(size=(50, 8)))
    wanted = torch.from_numpy(np.stack([states[:, 0] > 0, states[:, 0] <= 0, states[:, 1] > 0, states[:, 2] > 0], axis=1).astype(float))
    wanted[30:, :2] = torch.nan
    weight, _ = fit_head(states, wanted, GroupedLoss(SCHEME), SCHEME)
    alone, _ = fit_head(states[:30], wanted[:30], GroupedLoss(SCHEME), SCHEME)
    assert torch.allclose(weight[:2], alone[:2], atol=1e-3)
    assert not torch.allclose(weight[2:], alone[2:], atol=1e-3)


def test_networks_of_another_layout_are_known():
    assert supported({"model_type": "bert", "num_hidden_layers": 6})
    assert not supported({"model_type": "albert", "num_hidden_layers": 12})
    assert not supported({"model_type": "bert", "num_hidden_layers": 1})
