import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.pretrain import Batches, Stage, mask_whole_words, pad, plan

# 0 [PAD] 1 [CLS] 2 [SEP] 3 [MASK] 4 [UNK]; 5..59 begin a word, 60..99 continue one.
VOCABULARY = 100
SPECIAL = torch.arange(VOCABULARY) < 5
CONTINUES = torch.arange(VOCABULARY) >= 60
MASK = 3


def sentences(seed, rows=16, width=24):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, VOCABULARY, (rows, width), generator=generator)
    ids[:, 0] = 1
    for row, length in enumerate(torch.randint(3, width, (rows,), generator=generator).tolist()):
        ids[row, length] = 2
        ids[row, length + 1 :] = 0
    return ids


def masked(ids, share, seed=0):
    return mask_whole_words(ids, CONTINUES, SPECIAL, MASK, share, torch.Generator().manual_seed(seed))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.9))
def test_whole_words_are_chosen_and_never_special_tokens(seed, share):
    ids = sentences(seed)
    changed, chosen = masked(ids, share, seed)
    assert not (chosen & SPECIAL[ids]).any()
    assert torch.equal(changed[~chosen], ids[~chosen])
    inside = CONTINUES[ids[:, 1:]] & ~SPECIAL[ids[:, :-1]]
    assert torch.equal(chosen[:, 1:][inside], chosen[:, :-1][inside])
    again, same = masked(ids, share, seed)
    assert torch.equal(again, changed)
    assert torch.equal(same, chosen)


@pytest.mark.parametrize("share", [0.15, 0.2, 0.5])
def test_about_the_share_asked_for_with_the_usual_fates(share):
    ids = sentences(1, rows=2000, width=60)
    changed, chosen = masked(ids, share, 7)
    begins = ~CONTINUES[ids] & ~SPECIAL[ids]
    assert chosen[begins].float().mean().item() == pytest.approx(share, abs=0.015)
    now, before = changed[chosen], ids[chosen]
    assert (now == MASK).float().mean().item() == pytest.approx(0.8, abs=0.02)
    other = (now != MASK) & (now != before)
    assert other.float().mean().item() == pytest.approx(0.1, abs=0.02)
    # A replaced piece may be anything.
    assert len(now[other].unique()) > 0.9 * (VOCABULARY - 1)


@pytest.mark.parametrize("seed", range(5))
def test_of_very_few_words_one_is_masked(seed):
    ids = torch.tensor([[1, 7, 60, 61, 2, 0], [1, 8, 9, 2, 0, 0]])
    _, chosen = masked(ids, 1e-6, seed)
    assert chosen.sum() in (1, 3)
    assert chosen[0, 1] == chosen[0, 2] == chosen[0, 3]
    assert not (chosen & SPECIAL[ids]).any()


def test_seeds_differ():
    ids = sentences(2)
    assert not torch.equal(masked(ids, 0.3, 1)[1], masked(ids, 0.3, 2)[1])


def test_padding_rows():
    ids, attention = pad([np.asarray([7, 8, 9], np.uint16), np.asarray([5], np.uint16)], cls=1, sep=2, padding=0)
    assert ids[:, :5].tolist() == [[1, 7, 8, 9, 2], [1, 5, 2, 0, 0]]
    assert attention[:, :5].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert not ids[:, 5:].any()
    assert not attention[:, 5:].any()
    assert ids.dtype == attention.dtype == torch.int64


def test_batches_run_on_through_the_epochs_and_can_be_asked_for_in_any_order():
    lengths = np.random.default_rng(0).integers(4, 40, size=200)
    batches = Batches(lengths, tokens_per_batch=400, seed=5)
    count, seen = 0, 0
    while seen < 200:
        seen += len(batches[count])
        count += 1
    assert sorted(np.concatenate([batches[i] for i in range(count)]).tolist()) == list(range(200))
    assert sorted(np.concatenate([batches[i] for i in range(count, 2 * count)]).tolist()) == list(range(200))
    late = Batches(lengths, tokens_per_batch=400, seed=5)
    for step in (2 * count, 3, count + 1, 0):
        assert late[step].tolist() == batches[step].tolist()


def test_batches_of_nothing_are_an_error_and_no_endless_search():
    with pytest.raises(IndexError, match="no sequences"):
        Batches(np.zeros(0, dtype=np.int64), tokens_per_batch=100, seed=0)[0]


def test_plan_spreads_distilling_steps_evenly():
    steps = plan((Stage("carry", 10, 0.7), Stage("read", 20, 0.1), Stage("plain", 5)))
    assert [stage.name for stage, _ in steps] == ["carry"] * 10 + ["read"] * 20 + ["plain"] * 5
    flags = [distils for _, distils in steps]
    assert (sum(flags[:10]), sum(flags[10:30]), sum(flags[30:])) == (7, 2, 0)
    assert max(sum(flags[i : i + 3]) for i in range(8)) == 3
    assert [i for i, flag in enumerate(flags[10:30]) if flag] == [9, 19]
    assert all(distils for _, distils in plan((Stage("all", 4, 1.0),)))
