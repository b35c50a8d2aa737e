"""What a page says, in several languages: text that carries its key, so that the page can change its language by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from classify.errors import ClassifyError
from classify.resources import load_yaml, resource


class Key(str):
    """A filled-in word that is itself a phrase."""

    __slots__ = ()


class Phrases:
    """The phrases of ``configs/report.yaml`` and a model's label names, in one language at a time."""

    def __init__(self, language: str, more: Mapping[str, Mapping[str, str]]) -> None:
        """Read the phrases; ``more`` adds others, which may lack languages.

        Raises:
            ClassifyError: for a language that there is none of.
        """
        known = load_yaml(resource("configs/report.yaml"))
        self.languages: dict[str, str] = known.pop("languages")
        if language not in self.languages:
            raise ClassifyError(f"unknown language '{language}': choose one of {', '.join(self.languages)}")
        self.language = language
        self._phrases: dict[str, Mapping[str, str]] = {**known, **more}

    def all(self) -> dict[str, dict[str, str]]:
        """Every phrase by language and key, for the page's switch."""
        return {language: {key: self._in(key, language) for key in self._phrases} for language in self.languages}

    def text(self, key: str, **words: str) -> str:
        """A phrase with its words filled in."""
        filled = {name: self.text(word) if isinstance(word, Key) else self.number(word) for name, word in words.items()}
        return re.sub(r"\{(\w+)\}", lambda found: filled.get(found[1], found[0]), self._in(key, self.language))

    def tag(self, key: str, element: str = "span", attributes: Mapping[str, object] | None = None, **words: str) -> Markup:
        """An element that holds a phrase and knows which."""
        known = {"data-t": key, **({"data-a": self._words(words)} if words else {}), **(attributes or {})}
        return Markup("<{0}{1}>{2}</{0}>").format(element, _attributes(known), self.text(key, **words))

    def attribute(self, name: str, key: str, **words: str) -> Markup:
        """An attribute that holds a phrase and knows which, with a space before it."""
        marks = {f"data-{name}": key, **({"data-a": self._words(words)} if words else {})}
        return _attributes({name: self.text(key, **words), **marks})

    def number(self, text: str) -> str:
        """Figures with the decimal mark of the language."""
        return re.sub(r"(?<=\d)\.(?=\d)", ",", text) if self.language == "id" else text

    def figure(self, text: str, element: str = "span", attributes: Mapping[str, object] | None = None) -> Markup:
        """An element that holds figures, whose decimal mark changes with the language."""
        known = {"data-n": "", **(attributes or {})}
        return Markup("<{0}{1}>{2}</{0}>").format(element, _attributes(known), self.number(text))

    @staticmethod
    def _words(words: Mapping[str, str]) -> str:
        return json.dumps({name: [str(word)] if isinstance(word, Key) else word for name, word in words.items()}, ensure_ascii=False)

    def _in(self, key: str, language: str) -> str:
        phrase = self._phrases[key]
        return phrase.get(language) or phrase.get("en") or next(iter(phrase.values()))


def _attributes(pairs: Mapping[str, Any]) -> Markup:
    return Markup("").join(Markup(' {}="{}"').format(name, value) for name, value in pairs.items())


def percent(share: float) -> str:
    """A share for people: ``12%``, ``4.1%``, ``0.03%``."""
    value = 100 * share
    digits = 0 if value >= 9.95 or value == 0 else 1 if value >= 0.095 else 2
    return f"{value:.{digits}f}%"


def span(low: float, high: float) -> str:
    """An interval of shares: ``1.2–17%``."""
    return f"{percent(low)[:-1]}\N{EN DASH}{percent(high)}"


def whole(number: int) -> str:
    """A count for people, its thousands set apart as no language objects to."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if number >= 10000 else str(number)
