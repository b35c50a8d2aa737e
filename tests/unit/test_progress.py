import io
import sys

import pytest

from classify import progress
from classify.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def stderr(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "PAUSE", 0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")

    def use(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return use


def work(tmp_path, *paths):
    path = tmp_path / "berita.txt"
    path.write_bytes(b"x" * 400)
    with Progress(paths or [str(path)]) as shown:
        shown.document("berita.txt")
        shown.advance(100)
        assert list(shown.count(range(7))) == list(range(7))
        shown.say("error: [satu] keliru")
        if shown._bar is not None:
            shown._bar.refresh()


def test_a_terminal_shows_how_far_it_is(stderr, tmp_path):
    stream = stderr(Terminal())
    work(tmp_path)
    told = stream.getvalue()
    for word in ("document 1, 7 sentences", "a second", "25%", "berita.txt", "error: [satu] keliru"):
        assert word in told


def test_of_standard_input_nobody_knows_the_size(stderr, tmp_path):
    stream = stderr(Terminal())
    work(tmp_path, "-")
    assert "7 sentences" in stream.getvalue()
    assert "25%" not in stream.getvalue()


def test_a_file_gets_only_the_errors(stderr, tmp_path):
    stream = stderr(io.StringIO())
    work(tmp_path)
    assert stream.getvalue() == "error: [satu] keliru\n"
