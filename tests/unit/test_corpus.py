import json
import lzma
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classify.errors import DataError
from training.corpus import (
    HeldOut,
    Sequences,
    batches_of_similar_length,
    clean_paragraphs,
    in_processes,
    read_pairs,
    read_texts,
    shingles,
)

SENTENCE = "Pyongyang membantah telah mengirim peluru artileri kepada pasukan Rusia di Ukraina"


def test_reads_plain_compressed_and_json_lines(tmp_path):
    (tmp_path / "a.txt").write_text("satu dua\ntiga\n", encoding="utf-8")
    with lzma.open(tmp_path / "b.txt.xz", "wt", encoding="utf-8") as stream:
        stream.write("empat lima\nenam\n")
    rows = [{"title": "Judul", "text": "Isi – berita."}, {"text": "Tanpa judul."}, {"title": None, "text": "Kosong."}]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert [text.strip() for text in read_texts(tmp_path / "a.txt")] == ["satu dua", "tiga"]
    assert [text.strip() for text in read_texts(tmp_path / "b.txt.xz")] == ["empat lima", "enam"]
    assert list(read_texts(tmp_path / "c.jsonl")) == ["Judul\nIsi – berita.", "Tanpa judul.", "Kosong."]


@pytest.mark.parametrize("line", ["{broken", '{"title": "x"}', "[1, 2]", '"text"', '{"text": null}'])
def test_damaged_json_line_is_named(tmp_path, line):
    path = tmp_path / "pool.jsonl"
    path.write_text(json.dumps({"text": "baik"}) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"pool.jsonl:2: .*\"text\""):
        list(read_texts(path))


def test_missing_file_says_what_to_give(tmp_path):
    with pytest.raises(DataError, match=r"no text file at .*absent.txt.*\.txt, \.txt\.xz or \.jsonl"):
        list(read_texts(tmp_path / "absent.txt"))


@pytest.mark.parametrize("name", ["corpus.txt", "corpus.jsonl"])
def test_text_in_another_encoding_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes('{"text": "caf\xe9"}\n'.encode("latin-1"))
    with pytest.raises(DataError, match=f"{name} is not UTF-8"):
        list(read_texts(tmp_path / name))


def test_damaged_archive_is_refused(tmp_path):
    whole = lzma.compress(("satu dua tiga\n" * 5000).encode())
    for content in (whole[: len(whole) // 2], b"no archive at all"):
        (tmp_path / "corpus.txt.xz").write_bytes(content)
        with pytest.raises(DataError, match=r"corpus.txt.xz cannot be unpacked .* damaged"):
            list(read_texts(tmp_path / "corpus.txt.xz"))


def test_paragraphs_worth_learning_from():
    text = "Baca juga\n\n  Kapal   itu berlayar\tmenuju  timur. \nï¿½Rusia dan Korut bertemu lagi�\n1 2 3"
    assert list(clean_paragraphs(text)) == ["Kapal itu berlayar menuju timur.", "Rusia dan Korut bertemu lagi"]


def test_held_out_recognises_eight_shared_words(tmp_path):
    held = tmp_path / "gold.txt"
    held.write_text(SENTENCE + " tahun lalu.\n", encoding="utf-8")
    held_out = HeldOut([held])
    eight = " ".join(SENTENCE.split()[2:10])
    assert f"Kemarin dikatakan bahwa {eight.upper()}, dan seterusnya." in held_out
    assert "Kemarin dikatakan bahwa " + " ".join(SENTENCE.split()[2:9]) + " lain sama sekali." not in held_out
    assert "Hujan lebat membuat jalan di pantai selatan tergenang selama tiga jam." not in held_out
    assert SENTENCE not in HeldOut([])


def test_shingles_of_a_short_text_are_empty():
    assert shingles("hanya tujuh kata di dalam kalimat ini") == set()
    assert len(shingles(SENTENCE)) == len(SENTENCE.split()) - 7
    assert shingles(SENTENCE.upper() + "!") == shingles(SENTENCE)


def test_sequences_never_cross_paragraphs(tiny_tokenizer, indonesian):
    paragraphs = [indonesian[0], " ".join(indonesian[:6]), "", indonesian[1]]  # all but the third longer than 16 pieces
    sequences = Sequences.from_texts(paragraphs, tiny_tokenizer, max_length=16)
    own = [tiny_tokenizer.encode(paragraph, add_special_tokens=False).ids for paragraph in paragraphs]
    at = 0
    for ids in own:
        parts = []
        while sum(map(len, parts)) < len(ids):
            parts.append(sequences[at].tolist())
            at += 1
        assert [piece for part in parts for piece in part] == ids
        # Long paragraphs are cut evenly: no part is a stump.
        assert not parts or max(map(len, parts)) - min(map(len, parts)) <= 1
    assert at == len(sequences)
    assert sequences.lengths.max() <= 16


def test_more_paragraphs_than_one_encoding_batch(tiny_tokenizer):
    sequences = Sequences.from_texts((f"peluru {i}" for i in range(5000)), tiny_tokenizer, max_length=32)
    assert len(sequences) == 5000
    assert sequences[4999].tolist() == tiny_tokenizer.encode("peluru 4999", add_special_tokens=False).ids


def test_sequences_survive_saving(tmp_path, tiny_tokenizer, indonesian):
    sequences = Sequences.from_texts(indonesian, tiny_tokenizer, max_length=8)
    sequences.save(tmp_path / "s.npz")
    loaded = Sequences.load(tmp_path / "s.npz")
    assert np.array_equal(loaded.tokens, sequences.tokens)
    assert np.array_equal(loaded.starts, sequences.starts)
    assert len(Sequences.from_texts([], tiny_tokenizer, max_length=8)) == 0


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 94), max_size=300),
    budget=st.integers(100, 2000),
    seed=st.integers(0, 1000),
    pool=st.integers(1, 120),
)
def test_batches_cover_everything_once_within_budget(lengths, budget, seed, pool):
    array = np.asarray(lengths, dtype=np.int64)
    batches = batches_of_similar_length(array, budget, seed, pool)
    covered = np.concatenate(batches) if batches else np.zeros(0, dtype=np.int64)
    assert sorted(covered.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) >= 1
        assert len(batch) * (array[batch].max() + 2) <= budget
    again = batches_of_similar_length(array, budget, seed, pool)
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in batches]


def test_batches_waste_little_and_differ_by_seed():
    lengths = np.random.default_rng(3).integers(4, 94, size=3000)
    batches = batches_of_similar_length(lengths, 1024, seed=5)
    padded = sum(len(batch) * (int(lengths[batch].max()) + 2) for batch in batches)
    assert padded < 1.1 * int((lengths + 2).sum())
    other = batches_of_similar_length(lengths, 1024, seed=6)
    assert [batch.tolist() for batch in other] != [batch.tolist() for batch in batches]
    firsts = [int(lengths[batch].max()) for batch in batches]
    assert firsts != sorted(firsts), "batches must not come in the order of their lengths"


def test_pairs_with_and_without_score(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("1.2\tbbc\tThe ship \tKapal itu\n\nOne\tSatu\nempty\t\n", encoding="utf-8")
    assert read_pairs(path) == [("The ship", "Kapal itu"), ("One", "Satu")]
    path.write_text("One\tSatu\nno tab here\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"pairs.tsv:2: expected tab-separated"):
        read_pairs(path)


def lengths(texts):
    return [len(text) for text in texts]


def test_many_texts_are_worked_on_in_order_whatever_the_share_of_each_process():
    texts = ["x" * i for i in range(10)]
    assert [n for part in in_processes(lengths, texts, size=3) for n in part] == list(range(10))
    assert in_processes(lengths, texts, size=100) == [list(range(10))]
    assert in_processes(lengths, []) == [[]]


def test_shared_wording_is_recognised_across_processes():
    text = "satu dua tiga empat lima enam tujuh delapan sembilan"
    code = f"from training.corpus import shingles; print(sorted(shingles({text!r})))"
    outputs = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{sorted(shingles(text))}\n"}


def test_parts_join_to_what_the_whole_gives(tiny_tokenizer, indonesian):
    whole = Sequences.from_texts(indonesian, tiny_tokenizer, max_length=8)
    halves = [Sequences.from_texts(part, tiny_tokenizer, max_length=8) for part in (indonesian[:2], indonesian[2:])]
    joined = Sequences.concatenated(halves)
    assert [row.tolist() for row in joined] == [row.tolist() for row in whole]
