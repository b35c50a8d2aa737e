"""The errors a user can cause. The command line prints their message as one sentence and exits with code 2."""

from __future__ import annotations


class ClassifyError(Exception):
    """Something the user can put right; the message says what is wrong, where, and what to do."""


class DocumentError(ClassifyError):
    """A document that cannot be read as text."""


class DamagedTextError(DocumentError):
    """Text in a known encoding with bytes that are not."""


class ModelDirectoryError(ClassifyError):
    """A model directory that is missing, incomplete or damaged."""


class LabelsError(ClassifyError):
    """A label scheme that does not hold together."""


class DataError(ClassifyError):
    """Labelled data that cannot be used."""


class SettingsError(ClassifyError):
    """A setting that does not exist or has an impossible value."""


class MissingExtraError(ClassifyError):
    """A package that only some commands need is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f'{purpose} needs packages that are not installed: run  pip install ".[{extra}]"  in the checkout')
