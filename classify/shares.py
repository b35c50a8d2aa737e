"""What share of the sentences carries a label, corrected for the model's mistakes.

The share of sentences that a classifier marks is not the share that carry the label: it lacks those it misses and has those it marks
wrongly, the more so the rarer the label. Adjusted classify and count (Forman 2008, "Quantifying counts and costs via
classification", Data Mining and Knowledge Discovery 17; long known in epidemiology as Rogan and Gladen's estimator, 1978) solves
``marked = share * tpr + (1 - share) * fpr`` for the share. It assumes that the rates, counted on other sentences, hold here too,
whatever the share is; where the marks contradict that (fewer than the false positive rate alone would make), nothing is corrected.

Intervals are percentiles over resamples of both samples: whole articles are drawn with replacement, because their sentences are not
independent; the rates are drawn from the Beta distribution of their counts (Jeffreys' prior, so that a rate of nought in a few
sentences is not taken for certain), the counts divided by their design effect. Resampled articles without a mark never have one, which
would make nought certain; so an interval also covers that of sentences drawn one by one, again by the Beta distribution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classify.rates import MIN_SUPPORT, LabelRates

RESAMPLES = 2000
# So few articles do not show how much articles differ.
MIN_ARTICLES = 5
# Of the draws of both rates, how many may say that the model tells nothing about the label.
MAX_USELESS = 0.025
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Share:
    """The share of one label among some sentences.

    Attributes:
        articles, sentences, marked: what there was, and how many of the sentences the model marked.
        value, low, high: the corrected share and its 95 % interval; None where there is none.
        why: why there is none (``no_rates``, ``stale``, ``few_positives``, ``few_negatives``, ``useless``, ``few_articles``,
            ``misfit``), else ``""``.
    """

    articles: int
    sentences: int
    marked: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def raw(self) -> float:
        """The share that the model marked."""
        return self.marked / self.sentences if self.sentences else 0.0


def adjusted(raw: NDArray[np.float64], true: NDArray[np.float64], false: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares from the share marked and the true and false positive rate; between 0 and 1, NaN where the rates tell nothing."""
    apart = true - false
    return np.where(apart > 0, np.clip((raw - false) / np.where(apart > 0, apart, 1.0), 0.0, 1.0), np.nan)


def rate_draws(rates: LabelRates, seed: int = 0, resamples: int = RESAMPLES) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True and false positive rates as other samples of the same size could have shown them, each ``(resamples,)``."""
    random = np.random.default_rng([seed, 1])
    first, second = rates.design_effects
    return (
        random.beta(rates.true_positives / first + 0.5, rates.false_negatives / first + 0.5, resamples),
        random.beta(rates.false_positives / second + 0.5, rates.true_negatives / second + 0.5, resamples),
    )


def refusal(rates: LabelRates) -> str:
    """Why shares of a label cannot be corrected with these rates, ``""`` where they can."""
    if rates.positives < MIN_SUPPORT:
        return "few_positives"
    if rates.negatives < MIN_SUPPORT:
        return "few_negatives"
    true, false = rate_draws(rates)
    if rates.true_positive_rate <= rates.false_positive_rate or float((true <= false).mean()) > MAX_USELESS:
        return "useless"
    return ""


def marked_draws(marked: NDArray[np.int64], sentences: NDArray[np.int64], seed: int = 0, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """The share marked in resamples of whole articles.

    Args:
        marked: sentences of each article with each label, shape ``(articles, labels)``.
        sentences: sentences of each article, shape ``(articles,)``.
        seed: of the draws.
        resamples: how many.

    Returns:
        shape ``(resamples, labels)``.
    """

    def parts() -> Iterator[NDArray[np.float64]]:
        random = np.random.default_rng([seed, 2])
        even = np.full(len(sentences), 1 / len(sentences))
        done = 0
        while done < resamples:
            size = min(resamples - done, max(1, _AT_ONCE // len(sentences)))
            draws = random.multinomial(len(sentences), even, size)
            yield (draws @ marked) / np.maximum(draws @ sentences, 1)[:, None]
            done += size

    return np.concatenate(list(parts()))


def shares(
    marked: NDArray[np.int64], sentences: NDArray[np.int64], rates: list[LabelRates | str], seed: int = 0, resamples: int = RESAMPLES
) -> list[Share]:
    """The shares of every label in some articles.

    Args:
        marked: sentences of each article with each label, shape ``(articles, labels)``.
        sentences: sentences of each article, shape ``(articles,)``.
        rates: for every label its rates, or why there are none that can be used.
        seed: of the draws.
        resamples: how many.
    """
    articles, total = len(sentences), int(sentences.sum())
    enough = articles >= MIN_ARTICLES
    usable = enough and any(isinstance(one, LabelRates) for one in rates)
    draws = marked_draws(marked, sentences, seed, resamples) if usable else np.empty((0, 0))
    found = []
    for i, one in enumerate(rates):
        count = int(marked[:, i].sum())
        if isinstance(one, str) or not enough:
            found.append(Share(articles, total, count, why=one if isinstance(one, str) else "few_articles"))
            continue
        raw = np.asarray(count / max(1, total))
        value = float(adjusted(raw, np.asarray(one.true_positive_rate), np.asarray(one.false_positive_rate)))
        redrawn = rate_draws(one, seed, resamples)
        singly = np.random.default_rng([seed, 3]).beta(count + 0.5, total - count + 0.5, resamples)
        samples = [adjusted(marks, *redrawn) for marks in (draws[:, i], singly)]
        # Rates that tell nothing allow any share: such a draw lies beyond both ends.
        low = min(float(np.percentile(np.nan_to_num(sample, nan=0.0), 2.5)) for sample in samples)
        high = max(float(np.percentile(np.nan_to_num(sample, nan=1.0), 97.5)) for sample in samples)
        if high <= 0 or low >= 1:
            # Fewer marks than its mistakes alone would make, or more than it could make: the rates are not those of these articles.
            found.append(Share(articles, total, count, why="misfit"))
        else:
            found.append(Share(articles, total, count, value, min(low, value), max(high, value)))
    return found
