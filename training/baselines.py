"""What a model has to beat: a keyword list, and TF-IDF with logistic regression."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from classify.errors import SettingsError
from classify.labels import LabelScheme


class Keywords:
    """A label is given when all patterns of one of its rules are found."""

    def __init__(self, path: Path, scheme: LabelScheme) -> None:
        try:
            rules = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"cannot read the keyword list {path}: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise SettingsError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
        if not isinstance(rules, dict):
            raise SettingsError(f"{path} must hold 'label: list of rules' blocks, a rule being a list of patterns")
        self._rules: list[list[list[re.Pattern[str]]]] = []
        for label in scheme.ids:
            try:
                self._rules.append([[re.compile(one, re.IGNORECASE) for one in rule] for rule in rules.get(label, [])])
            except re.error as error:
                raise SettingsError(f"{path}: '{error.pattern!s}' under '{label}' is not a regular expression: {error.msg}") from None

    @property
    def covers_any(self) -> bool:
        """Whether there is a rule for any of the labels; a list made for another scheme has none."""
        return any(self._rules)

    def predict(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Which labels are given, shape ``(texts, labels)``."""
        rows = [[any(all(p.search(text) for p in rule) for rule in rules) for rules in self._rules] for text in texts]
        return np.asarray(rows, dtype=bool).reshape(len(texts), len(self._rules))


class TfidfLogistic:
    """Word and character n-grams with one balanced logistic regression a label: the usual strong linear baseline."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._models: list[Pipeline | bool] = []

    def fit(self, texts: Sequence[str], targets: NDArray[np.float32]) -> TfidfLogistic:
        """Fit on ``texts`` and targets ``(texts, labels)``; entries that are NaN are left out of their label."""
        self._models = []
        for column in targets.T:
            known = np.flatnonzero(~np.isnan(column))
            answers = column[known] > 0.5
            if len(np.unique(answers)) < 2:
                self._models.append(bool(answers.any()))
                continue
            features = FeatureUnion(
                [
                    ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, lowercase=True)),
                    ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)),
                ]
            )
            classifier = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000, random_state=self._seed)
            self._models.append(make_pipeline(features, classifier).fit([texts[int(i)] for i in known], answers))
        return self

    def predict(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Which labels are given, shape ``(texts, labels)``."""
        columns = [
            np.full(len(texts), model) if isinstance(model, bool) else np.asarray(model.predict(texts), dtype=bool)
            for model in self._models
        ]
        return np.stack(columns, axis=1)
