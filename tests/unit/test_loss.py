import pytest
import torch
from torch.nn import functional

from classify.labels import LabelScheme
from training.loss import LOSSES, Focus, GroupedLoss, positive_weights

NAN = float("nan")
SCHEME = LabelScheme.from_dict(
    {"groups": [{"id": "topic", "labels": ["a", "b", "c"]}, {"id": "tone", "exclusive": True, "labels": ["x", "y"]}]}
)
MULTI = LabelScheme.from_ids(["a", "b", "c"])
EXCLUSIVE = LabelScheme.from_ids(["x", "y", "z"], exclusive=True)


@pytest.fixture
def logits():
    return torch.randn(6, 5, generator=torch.Generator().manual_seed(1))


def test_multi_label_group_equals_torch_bce():
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(8, 3, generator=generator)
    wanted = torch.randint(2, (8, 3), generator=generator).float()
    torch.testing.assert_close(GroupedLoss(MULTI)(values, wanted), functional.binary_cross_entropy_with_logits(values, wanted))
    weight = torch.tensor([1.0, 2.0, 5.0])
    torch.testing.assert_close(
        GroupedLoss(MULTI, weight)(values, wanted),
        functional.binary_cross_entropy_with_logits(values, wanted, pos_weight=weight),
    )


def test_exclusive_group_equals_torch_cross_entropy():
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(8, 3, generator=generator)
    answers = torch.randint(3, (8,), generator=generator)
    wanted = functional.one_hot(answers, 3).float()
    torch.testing.assert_close(GroupedLoss(EXCLUSIVE)(values, wanted), functional.cross_entropy(values, answers))


def test_groups_add_up(logits):
    wanted = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 0, 0, 1], [1, 1, 0, 1, 0]] * 2).float()
    parts = functional.binary_cross_entropy_with_logits(logits[:, :3], wanted[:, :3]) + functional.cross_entropy(
        logits[:, 3:], wanted[:, 3:].argmax(dim=1)
    )
    torch.testing.assert_close(GroupedLoss(SCHEME)(logits, wanted), parts)


def test_unknown_groups_do_not_count(logits):
    wanted = torch.tensor([[1, 0, 0, NAN, NAN], [NAN, NAN, NAN, 0, 1], [0, 1, 0, 1, 0]] * 2)
    logits.requires_grad_()
    loss = GroupedLoss(SCHEME)(logits, wanted)
    known = [0, 2, 3, 5]
    speaking = [1, 2, 4, 5]
    expected = functional.binary_cross_entropy_with_logits(logits[known, :3], wanted[known, :3]) + functional.cross_entropy(
        logits[speaking, 3:], wanted[speaking, 3:].argmax(dim=1)
    )
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 3:].abs().sum() == 0
    assert logits.grad[1, :3].abs().sum() == 0


def test_single_unknown_labels_do_not_count():
    values = torch.tensor([[2.0, -1.0, 0.5]])
    loss = GroupedLoss(MULTI)(values, torch.tensor([[1.0, NAN, 0.0]]))
    expected = functional.binary_cross_entropy_with_logits(values[:, [0, 2]], torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(loss, expected)


def test_nothing_known_is_no_loss():
    assert GroupedLoss(SCHEME)(torch.randn(2, 5), torch.full((2, 5), NAN)).item() == 0


def test_half_precision_logits_are_summed_in_full(logits):
    wanted = torch.zeros(6, 5)
    wanted[:, 3] = 1
    loss = GroupedLoss(SCHEME)(logits.to(torch.bfloat16), wanted)
    assert loss.dtype == torch.float32


def test_positive_weights():
    wanted = torch.tensor([[1, 0, 0, NAN], [0, 0, 1, NAN], [0, 0, 1, NAN], [0, 0, NAN, NAN]]).float()
    full = positive_weights(wanted, power=1.0)
    # 3 to 1; none positive counts as one; more positives than negatives never weigh below 1; nothing known.
    torch.testing.assert_close(full, torch.tensor([3.0, 4.0, 1.0, 1.0]))
    torch.testing.assert_close(positive_weights(wanted, power=0.5)[:2], torch.tensor([3.0, 4.0]).sqrt())
    torch.testing.assert_close(positive_weights(wanted, power=0.0), torch.ones(4))


def test_positive_weights_are_limited():
    wanted = torch.zeros(1000, 1)
    wanted[0] = 1
    assert positive_weights(wanted, power=1.0).item() == 10
    assert positive_weights(wanted, power=1.0, limit=50).item() == 50


def test_focal_loss_is_as_published():
    values = torch.tensor([[2.0, -1.0, 0.3]])
    wanted = torch.tensor([[1.0, 0.0, 0.0]])
    score = values.sigmoid()
    expected = -torch.stack([(1 - score[0, 0]) ** 2 * score[0, 0].log(), *(score[0, 1:] ** 2 * (1 - score[0, 1:]).log())]).mean()
    torch.testing.assert_close(GroupedLoss(MULTI, focus=LOSSES["focal"])(values, wanted), expected)


def test_asymmetric_loss_lets_easy_negatives_go():
    loss = GroupedLoss(MULTI, focus=LOSSES["asymmetric"])
    nothing = torch.zeros(1, 3)
    assert loss(torch.full((1, 3), -4.0), nothing).item() == 0
    assert loss(torch.full((1, 3), 2.0), nothing).item() > loss(torch.full((1, 3), 0.0), nothing).item() > 0
    # A given label is never let go.
    assert loss(torch.full((1, 3), 4.0), nothing + 1).item() > 0


def test_without_focus_it_is_plain_cross_entropy(logits):
    wanted = torch.rand(6, 3, generator=torch.Generator().manual_seed(4))
    slow = GroupedLoss(MULTI, torch.tensor([1.0, 2.0, 3.0]), Focus(margin=1e-12))
    torch.testing.assert_close(slow(logits[:, :3], wanted), GroupedLoss(MULTI, torch.tensor([1.0, 2.0, 3.0]))(logits[:, :3], wanted))


def test_exclusive_groups_take_shares():
    values = torch.randn(4, 3, generator=torch.Generator().manual_seed(5))
    shares = torch.softmax(torch.randn(4, 3, generator=torch.Generator().manual_seed(6)), dim=1)
    expected = -(shares * torch.log_softmax(values, dim=1)).sum(1).mean()
    torch.testing.assert_close(GroupedLoss(EXCLUSIVE)(values, shares), expected)
