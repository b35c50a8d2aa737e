"""The page of `classify report` in a real browser; needs Playwright and an installed Chromium, and fetches neither."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from report_pages import NASTY, articles, page_of, rows_of

from classify.documents import Meta
from classify.modeldir import ModelDirectory
from classify.report import visible as visible_text

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed; the variable CHROMIUM can name one")

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def directory(tiny_model):
    return ModelDirectory.open(tiny_model)


@pytest.fixture(scope="module")
def report(directory, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_of(directory, rows_of(directory.scheme, articles(directory.scheme))), encoding="utf-8")
    return path


@pytest.fixture
def look(browser):
    """Open a page without a network; at the end nothing but the file itself was asked for, and the console is empty."""
    opened = []

    def open_page(path, viewport=DESK, **options):
        context = browser.new_context(viewport=viewport, offline=True, **options)
        page = context.new_page()
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        opened.append((context, path, asked, said))
        return page

    yield open_page
    for context, path, asked, said in opened:
        assert {url.partition("#")[0] for url in asked} == {path.as_uri()}
        assert said == []
        context.close()


def visible(page):
    """The sentences that the filters leave."""
    return page.locator("article li:visible .x").all_text_contents()


def settled(page):
    page.wait_for_timeout(150)


def wanted(directory, keep):
    return [
        text for _, meta, sentences in articles(directory.scheme) for text, labels, review in sentences if keep(meta, text, labels, review)
    ]


def test_filters_leave_what_fits(look, report, directory):
    page = look(report)
    everything = wanted(directory, lambda *_: True)
    assert visible(page) == everything
    page.check("input[name=label][value='1']")
    settled(page)
    one = directory.scheme.ids[1]
    assert visible(page) == wanted(directory, lambda meta, text, labels, review: one in labels)
    page.check("input[name=label][value='2']")
    settled(page)
    # Within a group either is enough; another group must fit as well, and here no sentence has both.
    two = directory.scheme.ids[2]
    assert visible(page) == wanted(directory, lambda meta, text, labels, review: {one, two} & set(labels))
    page.check("input[name=label][value='4']")
    settled(page)
    assert visible(page) == []
    assert page.inner_text("#found") == "No sentence fits these filters."
    page.click("#form button[type=reset]")
    settled(page)
    assert visible(page) == everything
    page.select_option("#outlet", label="siang.example")
    page.check("input[name=review]")
    settled(page)
    assert visible(page) == wanted(directory, lambda meta, text, labels, review: meta.outlet == "siang.example" and review)
    assert page.inner_text("#found") == "5 of 72 sentences, in 5 articles"
    page.check("input[name=around]")
    settled(page)
    assert visible(page) == wanted(directory, lambda meta, text, labels, review: meta.outlet == "siang.example")
    page.click("#form button[type=reset]")
    page.fill("#search", "kalimat 3.2 TENTANG")
    settled(page)
    assert visible(page) == ["Kalimat 3.2 tentang beras."]


def test_the_language_can_be_switched_there_and_back(look, report):
    page = look(report)
    before = page.text_content("main")
    charts = page.locator("svg").evaluate_all("all => all.map(one => one.textContent)")
    page.select_option("#language", "id")
    assert page.evaluate("document.documentElement.lang") == "id"
    assert page.inner_text("h1") == "Topik dan sikap dalam berita"
    assert page.title() == "Topik dan sikap dalam berita"
    text = page.text_content("main")
    assert "tuduhan AS 0,90" in text
    assert "72 dari 72 kalimat" in text
    assert "US accusation" not in page.content().partition('id="data"')[0]
    assert page.get_attribute("nav", "aria-label") == "Bagian halaman ini"
    page.click("article .c >> nth=0")
    assert page.inner_text(".told >> nth=0").startswith("Diberikan: skornya 0,90 mencapai 0,")
    page.select_option("#language", "en")
    assert page.text_content("main") == before
    assert page.locator("svg").evaluate_all("all => all.map(one => one.textContent)") == charts


def test_the_keyboard_reaches_labels_and_what_they_rest_on(look, directory, tmp_path):
    text = "Washington menuduh Pyongyang."
    first, second = rows_of(directory.scheme, [("a.txt", Meta(), [("Awal.", [], []), (text, ["us_accusation", "sanctions"], [])])])
    evidence = {"us_accusation": {"holder": {"text": "Washington", "start": 6, "end": 16, "actor": "us", "inherited": False}}}
    path = tmp_path / "r.html"
    path.write_text(page_of(directory, [first, replace(second, evidence=evidence)]), encoding="utf-8")
    page = look(path)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#articles"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('article .c')"):
            break
    assert "US accusation" in page.evaluate("document.activeElement.textContent")
    mark = "getComputedStyle(document.querySelector('article mark')).textDecorationLine"
    # Focus shows who holds it, in the sentence; so does the pointer.
    assert page.evaluate(mark) == "underline"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert "Who holds it: Washington" in page.inner_text(".told")
    page.keyboard.press("Escape")
    assert page.locator(".told").count() == 0
    page.keyboard.press("Tab")
    assert page.evaluate(mark) == "none"
    page.hover("article .c >> nth=0")
    assert page.evaluate(mark) == "underline"


def test_nothing_in_a_text_runs(look, directory, tmp_path):
    path = tmp_path / "hostile.html"
    hostile = [(nasty, Meta(nasty, "2024-01-01", nasty), [(nasty, ["us_accusation"], ["sanctions"])] * 2) for nasty in NASTY]
    path.write_text(page_of(directory, rows_of(directory.scheme, hostile)), encoding="utf-8")
    page = look(path)
    for nasty in NASTY:
        page.fill("#search", visible_text(nasty))
        settled(page)
        assert visible_text(nasty) in visible(page)
        page.click("article .c:visible >> nth=0")
    page.select_option("#language", "id")
    for outlet in range(1, len(NASTY) + 1):
        page.select_option("#outlet", str(outlet))
    assert page.title() == "Topik dan sikap dalam berita"
    assert page.locator("img, article script, article style").count() == 0


def test_what_is_not_its_own_is_forbidden(browser, report, tmp_path):
    # Were markup ever to get in, the policy would still stop it.
    broken = tmp_path / "broken.html"
    extra = '<script>document.title="owned"</script><img src="http://127.0.0.1:9/x.png" onerror="document.title=\'owned\'"><style>h1{color:red}</style>'
    broken.write_text(report.read_text(encoding="utf-8").replace("<footer>", extra + "<footer>"), encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(broken.as_uri())
    assert page.title() == "Topics and stances in the news"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") != "rgb(255, 0, 0)"
    assert len([text for text in refused if "Content Security Policy" in text]) >= 3
    context.close()


@pytest.mark.parametrize("language", ["en", "id"])
def test_a_phone_need_not_scroll_sideways(look, report, language):
    page = look(report, PHONE)
    page.select_option("#language", language)
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    # What is tapped is large enough (WCAG 2.2, 2.5.8).
    sizes = page.locator("button:visible, summary:visible, nav a").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert min(sizes) >= 24


def test_filters_are_folded_on_a_phone_and_open_on_a_desk(look, report):
    assert not look(report, PHONE).locator("#search").is_visible()
    assert look(report, DESK).locator("#search").is_visible()


def test_without_its_script_the_page_can_be_read(look, report, directory):
    page = look(report, java_script_enabled=False)
    assert page.locator("article .x").all_text_contents() == wanted(directory, lambda *_: True)
    assert page.locator("article").first.is_visible()
    assert not page.locator("#search").is_visible()
    assert not page.locator("#language").is_visible()


def test_it_prints_with_its_tables_and_without_its_controls(look, report):
    page = look(report)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#search").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('article')).contentVisibility") == "visible"
    assert page.locator(".panel table").first.is_visible()


def test_a_link_to_a_doubtful_sentence_reaches_it_through_filters(look, report):
    page = look(report)
    page.fill("#search", "tidak ada yang begini")
    settled(page)
    assert visible(page) == []
    link = page.locator("#review a.who").first
    target = link.get_attribute("href")
    link.click()
    assert page.locator(target).is_visible()
    assert len(visible(page)) == 72


def test_many_sentences_stay_in_one_small_file(look, directory, tmp_path):
    scheme = directory.scheme
    text = "Pemerintah mengatakan pengiriman itu sudah dibahas dalam pertemuan kedua menteri luar negeri pada pekan lalu di Jakarta. "
    many = [
        (
            f"{n}.txt",
            Meta(f"Judul {n}", f"2024-0{1 + n % 9}-01", f"m{n % 12}.example"),
            [(f"{text}{i}", [scheme.ids[i % 7]] * (i % 2), []) for i in range(30)],
        )
        for n in range(200)
    ]
    path = tmp_path / "many.html"
    path.write_text(page_of(directory, rows_of(scheme, many)), encoding="utf-8")
    assert path.stat().st_size < 3_500_000
    page = look(path)
    assert page.inner_text("#found") == "6000 of 6000 sentences, in 200 articles"
    page.fill("#search", "jakarta. 29")
    settled(page)
    page.wait_for_function("document.getElementById('found').textContent.startsWith('200 of')")
    # An article that is not in view is not laid out.
    assert page.evaluate("getComputedStyle(document.querySelector('article')).contentVisibility") == "auto"


AXE = [Path(os.environ["AXE_CORE"])] if "AXE_CORE" in os.environ else []
AXE += [Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"]


@pytest.mark.skipif(
    not any(path.is_file() for path in AXE), reason="axe-core is not here: npm install axe-core, or name axe.min.js in AXE_CORE"
)
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_axe_finds_no_barrier(look, report, viewport):
    page = look(report, viewport)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.click("article .c >> nth=0")
    page.evaluate(next(path for path in AXE if path.is_file()).read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], one["help"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found["violations"]] == []
