"""Choosing which sentences to label next (pool-based active learning; Settles 2009, "Active Learning Literature Survey").

Nothing here needs more than the plain install. Uncertainty is read off the model's scores; diversity off hashed word and
word-pair counts (Weinberger et al. 2009), because an exported graph gives scores only.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from classify.classifier import Classifier
from classify.copies import Copies, digest, words
from classify.decisions import Decisions, decide
from classify.errors import ClassifyError, SettingsError
from classify.furniture import is_furniture
from classify.labels import LabelScheme
from classify.predict import Options, Watch, items
from classify.tasks import Labelled, Suggestion

Floats = NDArray[np.float64]
Features = NDArray[np.float32]

# Fewer words are a caption, more hardly one sentence; nobody should spend time on labelling them.
MIN_WORDS, MAX_WORDS = 3, 120
# Columns of the hashed features: two unlike sentences seem alike by about 1 / sqrt(256) = 0.06.
COLUMNS = 256
_BUCKETS = 1 << 18
# Of the hybrid: how many times the sentences wanted the doubtful are thinned out from, and the shares beside these.
SHORTLIST = 2
RARE_SHARE, RANDOM_SHARE = 0.25, 0.25


@dataclass(frozen=True)
class Candidate:
    """A sentence that may be chosen.

    Attributes:
        document: as the user named it.
        start: character offset into it.
        text, context: the sentence and the one before it.
        group: what must stay together when data is split: the document, or the sentence where each line is one of its own.
    """

    __slots__ = ("context", "document", "group", "start", "text")
    document: str
    start: int
    text: str
    context: str
    group: str


@dataclass
class Counts:
    """How many sentences were read, and why some of them cannot be chosen."""

    read: int = 0
    furniture: int = 0
    length: int = 0
    labelled: int = 0
    repeated: int = 0

    def __str__(self) -> str:
        reasons = {
            "already labelled": self.labelled,
            "repeated": self.repeated,
            f"of under {MIN_WORDS} or over {MAX_WORDS} words": self.length,
            "furniture": self.furniture,
        }
        left_out = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
        return f"{self.read} sentences read" + (f"; left out: {left_out}" if left_out else "")


def candidates(
    paths: Iterable[str],
    options: Options,
    labelled: Labelled,
    counts: Counts,
    failed: Callable[[ClassifyError], None],
    started: Callable[[str], None] = lambda name: None,
) -> Iterator[Candidate]:
    """Every sentence that may be chosen, once each; documents that cannot be read are handed to ``failed``."""
    seen: set[bytes] = set()
    # Furniture is read in order to be counted.
    for item in items(paths, replace(options, furniture=True), Watch(failed, started)):
        sentence, name = item.sentence, item.document
        counts.read += 1
        if sentence.furniture or (options.lines and is_furniture(sentence.text)):
            counts.furniture += 1
            continue
        key = digest(sentence.text)
        if not MIN_WORDS <= len(words(sentence.text)) <= MAX_WORDS:
            counts.length += 1
        elif key in labelled.digests:
            counts.labelled += 1
        elif bytes.fromhex(key[:16]) in seen:
            counts.repeated += 1
        else:
            seen.add(bytes.fromhex(key[:16]))
            yield Candidate(name, sentence.start, sentence.text, item.before, f"{name}:{sentence.start}" if options.lines else name)


@dataclass
class Pool:
    """Candidates with what the model says of them.

    Attributes:
        candidates: the sentences.
        scores: ``(candidates, labels)``, between 0 and 1.
        scheme: the labels.
        decisions: the thresholds.
    """

    candidates: list[Candidate]
    scores: Floats
    scheme: LabelScheme
    decisions: Decisions = field(default_factory=Decisions)

    @classmethod
    def read(cls, source: Iterable[Candidate], classifier: Classifier, batch_size: int | None = None) -> Pool:
        """Classify the candidates as they come; about half a kilobyte a sentence stays in memory."""
        kept: list[Candidate] = []
        scores = array("f")

        def feed() -> Iterator[tuple[str, str]]:
            for candidate in source:
                kept.append(candidate)
                yield candidate.text, candidate.context

        for prediction in classifier.stream(feed(), batch_size=batch_size):
            scores.extend(prediction.scores.values())
        table = np.frombuffer(scores, dtype=np.float32).reshape(len(kept), len(classifier.scheme)).astype(np.float64)
        return cls(kept, table, classifier.scheme, classifier.directory.decisions)

    def __len__(self) -> int:
        return len(self.candidates)

    @cached_property
    def shifted(self) -> Floats:
        """The scores ``(candidates, labels)``, of multi-label groups moved on the log-odds scale so that each threshold becomes 0.5.

        There, and not at a score of 0.5, the model is least sure of its answer.
        """
        result = np.clip(self.scores, 1e-6, 1 - 1e-6)
        for group, columns in self.scheme.spans():
            if not group.exclusive:
                limits = np.clip([self.decisions.threshold(label.id) for label in group.labels], 1e-6, 1 - 1e-6)
                odds = result[:, columns] / (1 - result[:, columns]) * (1 - limits) / limits
                result[:, columns] = odds / (1 + odds)
        return result

    @cached_property
    def residuals(self) -> Floats:
        """Shifted scores minus the answers the model gives (1 or 0), ``(candidates, labels)``."""
        return self.shifted - decide(self.shifted, self.scheme, Decisions())

    def answers(self) -> Iterator[tuple[slice, bool]]:
        """The columns of each answer a sentence gets: one a label, or one for the whole of an exclusive group (True)."""
        for group, columns in self.scheme.spans():
            if group.exclusive:
                yield columns, True
            else:
                yield from ((slice(k, k + 1), False) for k in range(columns.start, columns.stop))

    @cached_property
    def confidence(self) -> Floats:
        """The probability of each answer the model gives, ``(candidates, answers)``."""
        return np.stack([1 - np.abs(self.residuals[:, columns]).max(axis=1) for columns, _ in self.answers()], axis=1)

    def least_certain(self, i: int) -> str:
        """The label the model is least sure of, with its score; of an exclusive group the two likeliest."""
        columns, exclusive = list(self.answers())[int(self.confidence[i].argmin())]
        order = np.argsort(-self.scores[i, columns], kind="stable")[: 2 if exclusive else 1]
        return " or ".join(f"{self.scheme.ids[columns.start + int(k)]} {self.scores[i, columns][int(k)]:.2f}" for k in order)


def least_confidence(pool: Pool) -> Floats:
    """One minus the probability of the whole answer, labels taken as independent (Culotta & McCallum 2005); ``(candidates,)``."""
    result: Floats = 1 - np.exp(np.log(pool.confidence).sum(axis=1))
    return result


def margin(pool: Pool) -> Floats:
    """One minus the gap between the two likeliest whole answers (Scheffer et al. 2001); ``(candidates,)``.

    They differ in the least certain answer only, so that a single doubtful label weighs more than in the others.
    """
    first, weakest = 1 - least_confidence(pool), pool.confidence.min(axis=1)
    result: Floats = 1 - first * (1 - (1 - weakest) / weakest)
    return result


def entropy(pool: Pool) -> Floats:
    """Entropy of the whole answer in nats, the sum over its independent parts (Settles & Craven 2008); ``(candidates,)``."""
    total = np.zeros(len(pool))
    for columns, exclusive in pool.answers():
        part = pool.shifted[:, columns]
        total -= (part * np.log(part)).sum(axis=1)
        if not exclusive:
            total -= ((1 - part) * np.log1p(-part)).sum(axis=1)
    return total


def features(texts: Sequence[str], rarity: Floats | None = None) -> Features:
    """Hashed counts of words and word pairs, ``(texts, COLUMNS)``, rows of length 1.

    Args:
        texts: the sentences.
        rarity: weight of each word by :func:`_bucket`; see :func:`inverse_frequency`.
    """
    table = np.zeros((len(texts), COLUMNS), dtype=np.float32)
    for i, text in enumerate(texts):
        buckets = _buckets(text)
        # One bit of the hash for the sign, so that words that share a column cancel out on average.
        weights = np.where(buckets & 1, 1.0, -1.0) * (1.0 if rarity is None else rarity[buckets])
        np.add.at(table[i], (buckets >> 1) % COLUMNS, weights.astype(np.float32))
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    return table


def inverse_frequency(texts: Sequence[str]) -> Floats:
    """Inverse document frequency by hash bucket, so that words in every sentence count little."""
    found = np.zeros(_BUCKETS, dtype=np.int64)
    for text in texts:
        found[np.unique(_buckets(text))] += 1
    result: Floats = np.log((1 + len(texts)) / (1 + found)) + 1
    return result


def _buckets(text: str) -> NDArray[np.int64]:
    found = words(text)
    terms = chain(found, (f"{one} {other}" for one, other in pairwise(found)))
    return np.fromiter((zlib.crc32(term.encode()) % _BUCKETS for term in terms), dtype=np.int64)


class Selection:
    """What has been chosen, in order, with the reason; never two near-copies, nor one of a labelled sentence."""

    def __init__(self, pool: Pool, labelled: Copies) -> None:
        self.pool, self.labelled = pool, labelled
        self.chosen: dict[int, str] = {}
        self._refused: set[int] = set()
        self._copies = Copies()

    def take(self, i: int, why: str) -> bool:
        """Choose candidate ``i`` unless it or a near-copy is there already; says whether it was."""
        if i in self.chosen or i in self._refused:
            return False
        text = self.pool.candidates[i].text
        if self.labelled.near(text) or self._copies.near(text):
            self._refused.add(i)
            return False
        self._copies.add(text)
        self.chosen[i] = why
        return True


Strategy = Callable[[Selection, int, "Context"], None]


@dataclass(frozen=True)
class Context:
    """What strategies may draw on beside the pool.

    Attributes:
        random: seeded; the only source of chance.
        texts: the labelled sentences that are known.
        positives: how often each label was given in them, ``(labels,)``.
    """

    random: np.random.Generator
    texts: Sequence[str]
    positives: Floats


def _in_order(selection: Selection, order: Iterable[int], count: int, why: Callable[[int], str]) -> None:
    for i in order:
        if count <= 0:
            return
        count -= selection.take(int(i), why(int(i)))


def _by(measure: Callable[[Pool], Floats]) -> Strategy:
    def strategy(selection: Selection, count: int, context: Context) -> None:
        order = np.argsort(-measure(selection.pool), kind="stable")
        _in_order(selection, order, count, lambda i: f"uncertain: {selection.pool.least_certain(i)}")

    return strategy


def at_random(selection: Selection, count: int, context: Context) -> None:
    """Every sentence alike."""
    _in_order(selection, context.random.permutation(len(selection.pool)), count, lambda i: "at random")


def _cover(selection: Selection, gains: Floats, found: Floats, count: int, why: Callable[[int, int], str]) -> None:
    """Take the sentence with the greatest sum of gains, each label's divided by one more than what was found of it so far.

    Greedy maximisation of a concave coverage (Wei et al. 2015): what a label has much of already counts little.

    Args:
        selection: what is added to.
        gains: ``(candidates, labels)``, at least 0.
        found: of each label at the beginning, ``(labels,)``.
        count: how many to take.
        why: the reason, given a candidate and the label that gained most.
    """
    found, free = found.copy(), np.ones(len(gains), dtype=bool)
    while count > 0 and free.any():
        weights = 1 / (1 + found)
        i = int(np.where(free, gains @ weights, -1.0).argmax())
        free[i] = False
        if selection.take(i, why(i, int((gains[i] * weights).argmax()))):
            found += gains[i]
            count -= 1


def rare(selection: Selection, count: int, context: Context) -> None:
    """Expected positives, each label's counting the less the more of it there are, labelled or expected among the chosen.

    So every label gets its turn, the rarest first.
    """
    pool = selection.pool
    names = pool.scheme.ids
    _cover(selection, pool.scores, context.positives, count, lambda i, label: f"rare: {names[label]} {pool.scores[i, label]:.2f}")


def doubt(selection: Selection, count: int, context: Context) -> None:
    """Doubt about labels (how far each score is from the answer given), a label's counting the less the more is chosen.

    Taken by doubt alone, nearly all sentences would be about the one or two labels that are hardest.
    """
    pool = selection.pool
    names = pool.scheme.ids
    nothing = np.zeros(len(pool.scheme))
    _cover(selection, np.abs(pool.residuals), nothing, count, lambda i, label: f"uncertain: {names[label]} {pool.scores[i, label]:.2f}")


def core_set(selection: Selection, count: int, context: Context) -> None:
    """Each the one farthest from all labelled and chosen ones: greedy k-center (Sener & Savarese 2018)."""
    pool = selection.pool
    texts = [candidate.text for candidate in pool.candidates]
    rarity = inverse_frequency(texts)
    table = features(texts, rarity)
    known = features([*context.texts, *(texts[i] for i in selection.chosen)], rarity)
    _farthest(selection, np.arange(len(pool)), table, known, count, lambda i: "unlike the others")


def _farthest(
    selection: Selection, members: NDArray[np.int64], table: Features, known: Features, count: int, why: Callable[[int], str]
) -> None:
    """Greedy k-center among ``members``, whose features are the rows of ``table``, away from ``known``."""
    # Of rows of length 1 the nearest is the most similar.
    closest = np.full(len(table), -np.inf, dtype=np.float32)
    for begin in range(0, len(known), 1024):
        closest = np.maximum(closest, (table @ known[begin : begin + 1024].T).max(axis=1))
    if not len(known):
        # Nothing to be far from yet: begin in the middle.
        closest = -(table @ table.mean(axis=0))
    first = not len(known)
    while count > 0 and np.isfinite(closest).any():
        k = int(np.where(np.isfinite(closest), closest, np.inf).argmin())
        if selection.take(int(members[k]), why(int(members[k]))):
            count -= 1
            similar = table @ table[k]
            closest = np.where(np.isfinite(closest), similar if first else np.maximum(closest, similar), closest)
            first = False
        closest[k] = np.inf


def badge(selection: Selection, count: int, context: Context) -> None:
    """Diverse gradients: k-means++ over what each sentence would teach, were the model's answer right (Ash et al. 2020).

    The gradient of the last layer is residual times features; here the features are hashed words. The distance of two such
    products needs neither of them: ``|a|² + |b|² - 2 (a·b)(x·y)`` for residuals a, b and features x, y of length 1.
    """
    pool = selection.pool
    texts = [candidate.text for candidate in pool.candidates]
    table, residuals = features(texts, inverse_frequency(texts)), pool.residuals
    norms = (residuals**2).sum(axis=1)
    distance = norms.copy()
    while count > 0 and (total := distance.sum()) > 0:
        i = int(np.searchsorted(np.cumsum(distance), context.random.random() * total))
        i = min(i, len(pool) - 1)
        if selection.take(i, f"uncertain and unlike the others: {pool.least_certain(i)}"):
            count -= 1
            inner = (residuals @ residuals[i]) * (table @ table[i])
            distance = np.minimum(distance, np.maximum(norms + norms[i] - 2 * inner, 0))
        distance[i] = 0


def unlike_doubt(selection: Selection, count: int, context: Context) -> None:
    """The :data:`SHORTLIST` times as many that :func:`doubt` would take, thinned out to those most unlike each other.

    As in Zhdanov 2019, "Diverse mini-batch Active Learning", with k-center for k-means.
    """
    pool = selection.pool
    shortlist = Selection(pool, selection.labelled)
    doubt(shortlist, SHORTLIST * count, context)
    members = np.fromiter(shortlist.chosen, dtype=np.int64)
    texts = [pool.candidates[i].text for i in members]
    rarity = inverse_frequency(texts)
    _farthest(selection, members, features(texts, rarity), features([], rarity), count, lambda i: shortlist.chosen[i])


def hybrid(selection: Selection, count: int, context: Context) -> None:
    """The default: half :func:`unlike_doubt`, a quarter :func:`rare`, a quarter at random, in turns."""
    shares = {rare: round(count * RARE_SHARE), at_random: round(count * RANDOM_SHARE)}
    parts: list[list[int]] = []
    for strategy, share in {unlike_doubt: count - sum(shares.values()), **shares}.items():
        before = len(selection.chosen)
        strategy(selection, share, context)
        parts.append(list(selection.chosen)[before:])
    # In turns, so that whoever stops early has some of each.
    order = sorted((k / len(part), n, i) for n, part in enumerate(parts) for k, i in enumerate(part))
    selection.chosen = {i: selection.chosen[i] for _, _, i in order}


STRATEGIES: dict[str, Strategy] = {
    "hybrid": hybrid,
    "doubt": doubt,
    "least_confidence": _by(least_confidence),
    "margin": _by(margin),
    "entropy": _by(entropy),
    "core_set": core_set,
    "badge": badge,
    "rare": rare,
    "random": at_random,
}


def known_strategy(name: str) -> None:
    """Check the name of a strategy.

    Raises:
        SettingsError: when there is none of this name.
    """
    if name not in STRATEGIES:
        raise SettingsError(f"unknown strategy '{name}': choose one of {', '.join(STRATEGIES)}")


def choose(pool: Pool, count: int, strategy: str, labelled: Labelled, seed: int = 13) -> Selection:
    """Choose ``count`` sentences, or as many as there are.

    Args:
        pool: the candidates.
        count: how many to choose.
        strategy: one of :data:`STRATEGIES`.
        labelled: what is labelled already; near-copies of it are not chosen.
        seed: the same seed and pool give the same sentences.

    Raises:
        SettingsError: for an unknown strategy.
    """
    known_strategy(strategy)
    known = Copies()
    for text in labelled.texts:
        known.add(text)
    selection = Selection(pool, known)
    positives = np.asarray([labelled.positives.get(label, 0) for label in pool.scheme.ids], dtype=np.float64)
    context = Context(np.random.default_rng(seed), labelled.texts, positives)
    STRATEGIES[strategy](selection, count, context)
    # A strategy may run dry, as where all gradients are nought.
    at_random(selection, count - len(selection.chosen), context)
    return selection


def suggestions(selection: Selection) -> list[Suggestion]:
    """The chosen sentences with the model's own answers, in the order they were chosen."""
    pool = selection.pool
    given = decide(pool.scores, pool.scheme, pool.decisions)
    result = []
    for i, why in selection.chosen.items():
        one = pool.candidates[i]
        result.append(
            Suggestion(
                id=digest(f"{one.text}\n{one.context}")[:16],
                text=one.text,
                context=one.context,
                document=one.document,
                group=one.group,
                labels={
                    group.id: [label.id for label, flag in zip(group.labels, given[i, columns], strict=True) if flag]
                    for group, columns in pool.scheme.spans()
                },
                scores={label: round(float(score), 6) for label, score in zip(pool.scheme.ids, pool.scores[i], strict=True)},
                why=why,
            )
        )
    return result
