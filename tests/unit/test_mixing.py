import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

from classify.errors import SettingsError
from training.mixing import mix_back


def config(hidden: int = 16) -> BertConfig:
    return BertConfig(
        vocab_size=40, hidden_size=hidden, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=16,
        num_labels=3,
    )  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(1)
    return BertForSequenceClassification(config())


def copy(module):
    return {name: values.clone() for name, values in module.state_dict().items()}


def test_body_lies_on_the_line_between_the_two_and_the_head_stays(model, tmp_path):
    torch.manual_seed(2)
    base = BertModel(config())
    base.save_pretrained(tmp_path)
    before, theirs = copy(model), base.state_dict()
    mix_back(model, str(tmp_path), 0.25)
    after = model.state_dict()
    for name, values in theirs.items():
        torch.testing.assert_close(after[f"bert.{name}"], 0.75 * before[f"bert.{name}"] + 0.25 * values)
    for name in ("classifier.weight", "classifier.bias"):
        assert torch.equal(after[name], before[name])


def test_a_trained_base_lends_its_body_and_the_library_says_nothing(model, tmp_path, capfd):
    torch.manual_seed(2)
    base = BertForSequenceClassification(config())
    base.save_pretrained(tmp_path)
    before = copy(model)
    capfd.readouterr()
    mix_back(model, str(tmp_path), 0.5)
    assert torch.equal(model.classifier.weight, before["classifier.weight"])
    name = "bert.pooler.dense.weight"
    torch.testing.assert_close(model.state_dict()[name], 0.5 * before[name] + 0.5 * base.state_dict()[name])
    # Its report on the head that is not used would be about nothing the user did.
    assert "".join(capfd.readouterr()) == ""


def test_base_without_a_pooler_lends_none(model, tmp_path):
    torch.manual_seed(2)
    BertForMaskedLM(config()).save_pretrained(tmp_path)
    before = copy(model)
    mix_back(model, str(tmp_path), 0.5)
    after = model.state_dict()
    assert torch.equal(after["bert.pooler.dense.weight"], before["bert.pooler.dense.weight"])
    assert not torch.equal(after["bert.embeddings.word_embeddings.weight"], before["bert.embeddings.word_embeddings.weight"])


def test_base_of_another_shape_is_refused_and_nothing_is_mixed(model, tmp_path):
    BertModel(config(hidden=32)).save_pretrained(tmp_path)
    before = copy(model)
    with pytest.raises(SettingsError, match=r"not of the model's kind: .* has the shape"):
        mix_back(model, str(tmp_path), 0.5)
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())


def test_missing_base_is_named(model, tmp_path):
    with pytest.raises(SettingsError, match="absent is not a directory"):
        mix_back(model, str(tmp_path / "absent"), 0.5)
