"""Pages about articles made up for the tests of `classify report`."""

from classify import report as pages
from classify.documents import Meta
from classify.writers import Row

NASTY = [
    '<script>document.title="owned"</script>',
    '</script><script>document.title="owned"</script>',
    '"><img src=x onerror="document.title=\'owned\'">',
    "' onmouseover='document.title=1' x='",
    "{{ 7 * 7 }}{% raw %} &lt;b&gt; <!-- ",
    "</style><style>body{display:none}</style>",
    "aman \N{RIGHT-TO-LEFT OVERRIDE}txt.exe\N{POP DIRECTIONAL FORMATTING} \N{RIGHT-TO-LEFT ISOLATE}kanan",
]


def given(scheme, *labels):
    return {group.id: [label.id for label in group.labels if label.id in labels] for group in scheme.groups}


def rows_of(scheme, articles):
    """Rows of articles: (name, meta, [(text, labels, review)])."""
    for name, meta, sentences in articles:
        at = 0
        for index, (text, labels, review) in enumerate(sentences):
            scores = dict.fromkeys(labels, 0.9) | dict.fromkeys(review, 0.45)
            yield Row(name, index, at, at + len(text), text, given(scheme, *labels), scores, False, tuple(review), meta)
            at += len(text) + 1


def articles(scheme):
    """Twelve articles of three outlets in four months."""
    ids = scheme.ids
    for number in range(12):
        sentences = [
            (f"Kalimat {number}.{i} tentang beras.", [ids[(number + i) % len(ids)]] if i % 3 == 0 else [], [ids[i]] if i == 4 else [])
            for i in range(6)
        ]
        meta = Meta(
            f"Judul {number}", f"2024-0{1 + number % 4}-10", ("pagi.example", "siang.example", "")[number // 6 if number < 11 else 2]
        )
        yield f"a{number}.txt", meta, sentences


def page_of(directory, source, language="en", shown=pages.SHOWN, title=""):
    found, pairs = pages.collect(source, directory.scheme, shown)
    return "".join(pages.Page(found, pairs, directory, "balanced", language, title).html())
