"""The playground in a real browser: Chromium, driven by Playwright, with no other host to go to."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cli.photos import picture

from minicap.data.download import sha256_of
from minicap.formats.folders import default_cache_folder
from minicap.playground import runtime
from minicap.playground.site import PHOTOS, write_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LONG = 300_000  # milliseconds that a busy machine may take
ANSWERED = """() => {
  const status = document.getElementById("photo-status");
  return status.textContent.startsWith("Answered") || status.classList.contains("bad");
}"""


ASKED: list[str] = []  # paths of all requests


class Files(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` does, without a word."""

    def log_message(self, *_):
        ASKED.append(self.path)

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")  # so that only the page's policy keeps it away
        super().end_headers()


def serving(folder: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("needs Chromium (on Debian: apt install chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory) -> Iterator[str]:
    kept = default_cache_folder() / "playground"
    known = {sha256_of(file) for file in kept.glob("*.tgz")} if kept.is_dir() else set()
    if not {package.sha256 for package in runtime.PACKAGES} <= known:
        pytest.skip("needs Pyodide and NumPy from npm: run `minicap site OUT` once, with npm and a network")
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    yield from serving(folder)


@pytest.fixture(scope="module")
def ready(browser, address):
    """A page in which Python runs, shared by the visits; nothing may go wrong, no other host be asked."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(LONG)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda entry: entry.type in ("error", "warning") and said.append(entry.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith((address, "blob:"))] == []


def enter(page, room):
    page.click(f"#to-{room}")
    page.wait_for_selector(f"#{room}-room:not([hidden])")
    return page


def checked(page):
    page.click("#check")
    page.wait_for_selector("#verdict.good, #verdict.bad")
    return page.inner_text("#verdict")


def test_what_stands_there_passes_and_a_mistake_is_explained(ready):
    page = enter(ready, "gradients")
    page.select_option("#exercise", "affine")
    assert checked(page) == "Every gradient is right."
    page.get_by_role("button", name="A mean for a sum").click()
    assert page.inner_text("#verdict") == ""
    assert checked(page) == "Not right yet:"
    assert "divided by the batch size 3 once too often" in page.inner_text("#findings")
    assert page.inner_text("#report").startswith("$ minicap gradcheck affine")


@pytest.mark.parametrize("layer", ["relu", "batchnorm", "softmax_loss", "lstm_step"])
def test_every_exercise_passes_as_it_is(ready, layer):
    page = enter(ready, "gradients")
    page.select_option("#exercise", layer)
    assert checked(page) == "Every gradient is right."


def test_the_keyboard_edits_and_checks(ready):
    page = enter(ready, "gradients")
    page.select_option("#exercise", "relu")
    page.focus("#source")
    page.keyboard.press("Control+A")
    page.keyboard.type("def relu_backward(dout, cache):")
    page.keyboard.press("Enter")  # the next line is indented
    page.keyboard.type("return dout * (cache.x > 0)")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#verdict.good")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "check"  # Tab leaves the editor


def test_a_text_that_is_not_python_is_answered_with_its_line(ready):
    page = enter(ready, "gradients")
    page.fill("#source", "def relu_backward(dout, cache:\n    return dout")
    assert "SyntaxError" in checked(page)
    assert "your code, line 1" in page.inner_text("#verdict")


def test_a_sample_photo_is_captioned(ready):
    page = enter(ready, "photo")
    page.locator("#samples button").first.click()
    page.wait_for_function(ANSWERED)
    assert len(page.inner_text(".words").split()) > 3
    assert page.get_attribute("#image", "alt").startswith("Your photo: ")
    assert page.locator("#samples img").count() == PHOTOS


def test_a_large_photo_is_shrunk_by_the_browser(ready, tmp_path):
    page = enter(ready, "photo")
    picture((4000, 2500)).save(tmp_path / "large.png")
    page.set_input_files("#file", tmp_path / "large.png")
    page.wait_for_selector("#photo-status:has-text('Looking')")
    page.wait_for_function(ANSWERED)
    assert "Answered" in page.inner_text("#photo-status")


def test_what_is_no_photo_is_named(ready, tmp_path):
    page = enter(ready, "photo")
    (tmp_path / "notes.txt").write_text("no photo", encoding="utf-8")
    page.set_input_files("#file", tmp_path / "notes.txt")
    page.wait_for_selector("#photo-status.bad")
    assert "not an image" in page.inner_text("#photo-status")


def test_a_net_trains_and_can_be_paused_and_begun_anew(ready):
    page = enter(ready, "training")
    page.select_option("#points", "rings")
    page.wait_for_function(
        "() => document.getElementById('training-status').textContent.startsWith('0 steps')"
    )
    before = page.evaluate("document.getElementById('plane').toDataURL()")
    page.click("#train")
    page.wait_for_function("() => parseInt(document.getElementById('training-status').textContent) > 50")
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("document.getElementById('plane').toDataURL()") != before
    assert page.locator("#losses svg.chart").count() > 0
    page.click("#again")
    page.wait_for_function(
        "() => document.getElementById('training-status').textContent.startsWith('0 steps')"
    )


def test_everything_that_can_be_used_has_a_name(ready):
    for room in ("gradients", "photo", "training"):
        nameless = enter(ready, room).evaluate("""() =>
          [...document.querySelectorAll("button, input, select, textarea, img, a, canvas, progress")]
          .filter((found) => !found.closest("[hidden], [aria-hidden=true]"))
          .filter((found) => !(found.textContent.trim() || found.alt || found.ariaLabel
            || found.labels?.length || found.querySelector("img[alt]")))
          .map((found) => found.outerHTML)""")
        assert nameless == []


def test_code_on_the_page_cannot_reach_another_host(browser, address, tmp_path):
    (tmp_path / "index.html").write_text("here", encoding="utf-8")
    others = serving(tmp_path)
    elsewhere = next(others)
    context = browser.new_context()
    context.set_default_timeout(LONG)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    ASKED.clear()
    page.fill(
        "#source", f"import js\nr = js.XMLHttpRequest.new()\nr.open('GET', '{elsewhere}/', False)\nr.send()"
    )
    assert "your code, line 4" in checked(page)
    next(others, None)
    assert ASKED == []
    context.close()


def test_a_loop_without_end_can_be_stopped(browser, address):
    context = browser.new_context()
    context.set_default_timeout(LONG)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    page.fill("#source", "while True:\n    pass")
    page.click("#check")
    page.click("#stop")
    page.wait_for_selector("body[data-ready]")  # Python starts anew, the text stays
    assert page.input_value("#source").startswith("while True:")
    page.select_option("#exercise", "relu")
    assert checked(page) == "Every gradient is right."
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling_and_its_targets_are_large(browser, address, scheme):
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, color_scheme=scheme
    )
    context.set_default_timeout(LONG)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    for room in ("gradients", "photo", "training"):
        enter(page, room)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, room
        small = page.evaluate("""() => [...document.querySelectorAll("button, .button, select, nav a")]
          .filter((found) => found.checkVisibility() && found.getBoundingClientRect().height < 24)
          .map((found) => found.outerHTML)""")
        assert small == []  # WCAG 2.2, 2.5.8
    red = int(page.evaluate("getComputedStyle(document.body).backgroundColor").split("(")[1].split(",")[0])
    assert (red < 128) == (scheme == "dark")
    context.close()
