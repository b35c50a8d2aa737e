"""How a comparison of splits divides real sentences: the same sentences each time, only otherwise grouped."""

from collections import Counter

import pytest

from training.dataset import Example


@pytest.fixture(scope="module")
def benchmark_module(load_benchmark):
    return load_benchmark("splits")


WORDS = [
    "pagi",
    "siang",
    "malam",
    "utara",
    "selatan",
    "timur",
    "barat",
    "kota",
    "desa",
    "pulau",
    "laut",
    "gunung",
    "sungai",
    "hutan",
    "pasar",
    "jalan",
]


def examples():
    """Forty articles of four sentences in ten outlets, and twenty sentences written for the purpose."""
    found = []
    for article in range(40):
        for place in range(4):
            text = " ".join(WORDS[(article * 7 + place * 3 + k * (article + 1)) % len(WORDS)] + str(article * 4 + place) for k in range(6))
            found.append(Example(f"s{article}-{place}", text, "", {}, f"n{article}", real=True))
    found += [Example(f"own{i}", f"kalimat karangan nomor {i} tentang hal lain", "", {}, f"own{i}") for i in range(20)]
    return found


@pytest.mark.parametrize("kind", ["sentence", "article", "outlet"])
def test_every_real_sentence_is_in_one_of_four_like_quarters(benchmark_module, kind):
    rows = examples()
    outlet = {f"n{article}": f"outlet{article % 10}" for article in range(40)}
    quarter = benchmark_module.quarters(kind, rows, outlet)
    assert [one for one, row in zip(quarter, rows, strict=True) if not row.real] == [-1] * 20
    sizes = Counter(one for one in quarter if one >= 0)
    assert set(sizes) == {0, 1, 2, 3}
    assert max(sizes.values()) - min(sizes.values()) <= (16 if kind == "outlet" else 4)


def test_units_stay_together(benchmark_module):
    rows = examples()
    outlet = {f"n{article}": f"outlet{article % 10}" for article in range(40)}

    def together(kind, unit):
        quarter = benchmark_module.quarters(kind, rows, outlet)
        places = {}
        for one, row in zip(quarter, rows, strict=True):
            if row.real:
                places.setdefault(unit(row), set()).add(one)
        return max(len(found) for found in places.values())

    assert together("article", lambda row: row.group) == 1
    assert together("outlet", lambda row: outlet[row.group]) == 1
    # A naive split tears articles apart: that is what it is there to show.
    assert together("sentence", lambda row: row.group) > 1
    assert together("article", lambda row: outlet[row.group]) > 1


def test_a_share_holds_whole_documents_and_differs_by_seed(benchmark_module):
    rows = examples()
    some, same, other = (benchmark_module.share_of(rows, 0.25, seed) for seed in (1, 1, 2))
    assert some == same
    assert some != other
    assert len(some) == 15
    assert benchmark_module.share_of(rows, 1.0, 1) == {row.group for row in rows}
