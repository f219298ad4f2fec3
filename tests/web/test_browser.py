"""The page in a real browser: Chromium, driven by Playwright, with no other host to go to."""

import json
import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from web.conftest import encoded
from web.running import running

from minicap.data import open_dataset
from minicap.web import Runs, make_app

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG = 120_000  # milliseconds that a busy machine may take
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
DROP = """([base64, name, type]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type }));
  const drop = (kind) => new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true });
  document.getElementById("drop").dispatchEvent(drop("dragover"));
  const over = document.getElementById("drop").classList.contains("over");
  document.getElementById("drop").dispatchEvent(drop("drop"));
  return over;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    pytest.importorskip("uvicorn", reason='needs uvicorn: pip install "minicap[web]"')
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("needs Chromium (on Debian: apt install chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def runs(runs_folder, tmp_path_factory) -> Path:
    """A copy of the folder of runs, which tests may write into."""
    return Path(shutil.copytree(runs_folder, tmp_path_factory.mktemp("copy") / "runs"))


@pytest.fixture(scope="module")
def address(browser, runs) -> Iterator[str]:
    pytest.importorskip("starlette", reason='the server needs Starlette: pip install "minicap[web]"')
    with running(make_app(Runs(folder=runs))) as address:
        yield address


class Visit:
    """A page in a window of its own.  said: errors on the console.  asked: addresses of all requests."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(LONG)
        self.page, self.address = self.context.new_page(), address
        self.said, self.asked = [], []
        self.page.on("console", lambda entry: entry.type == "error" and self.said.append(entry.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path=""):
        self.page.goto(f"{self.address}/{path}")
        if not path.startswith("api"):
            self.page.wait_for_selector("#runs input", state="attached")
        return self.page

    def upload(self, content, name="photo.jpg", kind="image/jpeg"):
        self.page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})

    def message(self):
        """The bad news that the page tells."""
        self.page.wait_for_selector("#status.bad:not(:empty)")
        return self.page.inner_text("#status")


@pytest.fixture
def visit(browser, address):
    """Makes visits; afterwards nothing may have gone wrong in them, and no other host been asked."""
    visits = []

    def make(**options):
        visits.append(Visit(browser, address, **options))
        return visits[-1]

    yield make
    for made in visits:
        made.context.close()
        assert made.said == []
        assert [url for url in made.asked if not url.startswith((address, "blob:", "data:"))] == []


@pytest.fixture(scope="module")
def photo() -> bytes:
    return open_dataset("sample").split("test")[0].path.read_bytes()


def brightness(page):
    """The mean darkness laid over the photo, 0 to 255; None where nothing is laid over it."""
    return page.evaluate("""() => {
      const canvas = document.getElementById("light");
      if (canvas.hidden) return null;
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let sum = 0;
      for (let i = 3; i < data.length; i += 4) sum += data[i];
      return sum / (data.length / 4);
    }""")


def test_a_photo_is_captioned_classified_and_explained_word_by_word(visit, photo):
    made = visit()
    page = made.open()
    made.upload(photo)
    page.wait_for_selector(".caption .word")
    assert page.locator(".caption ol.bars li").count() == 5
    assert page.locator("button.class").count() == 5
    assert page.get_attribute("#image", "alt").startswith("Your photo: ")
    assert brightness(page) is None
    page.locator(".word").nth(1).click()
    assert 0 < brightness(page) < 255
    assert "less likely" in page.inner_text("#looking")
    page.locator("button.class").first.click()
    assert "speaks for" in page.inner_text("#looking")
    assert page.locator("[aria-pressed=true].word").count() == 0


def test_attention_is_drawn_word_by_word_for_a_captioner_that_has_it(visit, photo):
    made = visit()
    page = made.open()
    page.click("#settings summary")
    page.uncheck("#runs input[value=shipped]")
    page.check("#runs input[value=mine]")
    made.upload(photo)
    page.wait_for_selector(".caption .word")
    assert not [url for url in made.asked if "/api/hide" in url]
    page.locator(".word").first.click()
    assert "Bright: looked at before saying" in page.inner_text("#looking")
    page.get_by_role("button", name="Play word by word").click()
    page.wait_for_function("() => document.querySelectorAll('.word')[0].ariaPressed === 'true'")
    page.get_by_role("button", name="Stop").click()


def test_an_alternative_can_be_chosen_and_explained(visit, photo):
    made = visit()
    page = made.open()
    made.upload(photo)
    page.wait_for_selector(".caption .word")
    second = page.locator(".caption ol.bars button").nth(1)
    second.click()
    page.wait_for_function(
        "text => [...document.querySelectorAll('.word')].map((word) => word.textContent).join(' ') === text",
        arg=second.inner_text(),
    )
    assert second.get_attribute("aria-pressed") == "true"


def test_the_keyboard_is_enough(visit, photo):
    made = visit()
    page = made.open()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    made.upload(photo)
    page.wait_for_selector(".caption .word")
    page.locator(".word").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.word')[1]")
    assert page.locator(".word").nth(1).get_attribute("aria-pressed") == "true"
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement === [...document.querySelectorAll('.word')].at(-1)")


@pytest.mark.parametrize("path", ["#photo", "#training", "api"])
def test_everything_that_can_be_used_has_a_name(visit, path):
    made = visit()
    page = made.open(path)
    if path == "#training":
        page.wait_for_selector(".samples img", state="attached")
    if path == "api":
        page.wait_for_selector(".address")
    nameless = page.evaluate("""() =>
      [...document.querySelectorAll("button, input, select, img, a, svg[role]")]
      .filter((found) => !found.closest("[hidden], [aria-hidden=true], dialog:not([open])"))
      .filter((found) => !(found.textContent.trim() || found.alt || found.ariaLabel
        || found.labels?.length || found.querySelector("img[alt]")))
      .map((found) => found.outerHTML)""")
    assert nameless == []


def test_a_photo_that_comes_with_minicap_is_tried_with_a_click(visit):
    made = visit()
    page = made.open()
    page.wait_for_selector("#samples img")
    assert all(image.get_attribute("alt") for image in page.locator("#samples img").all())
    page.locator("#samples button").nth(1).click()
    page.wait_for_selector(".caption .word")
    assert page.is_visible("#shown")


def test_a_photo_can_be_dropped(visit, photo):
    made = visit()
    page = made.open()
    assert page.evaluate(DROP, [b64encode(photo).decode(), "photo.jpg", "image/jpeg"]) is True
    page.wait_for_selector(".caption .word")


def test_a_photo_can_be_taken_with_the_camera(visit):
    made = visit()
    page = made.open()
    page.click("#take")
    page.wait_for_function("() => document.getElementById('finder').videoWidth > 0")
    page.click("#shoot")
    page.wait_for_selector(".caption .word")
    assert page.evaluate("document.getElementById('finder').srcObject") is None  # the camera is off again


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"this is no photo at all", "notes.txt", "The photo: not an image that can be read"),
        (encoded((900, 700))[:9000], "cut.jpg", "The photo: truncated or damaged image"),
        (b"", "empty.jpg", "The body of the request is empty"),
    ],
)
def test_what_is_no_photo_is_named_and_leaves_no_answer(visit, content, name, said):
    made = visit()
    page = made.open()
    made.upload(content, name, "text/plain" if name.endswith("txt") else "image/jpeg")
    assert made.message().startswith(said)
    assert page.locator(".card.caption").count() == 0
    assert all("status of 4" in entry for entry in made.said)  # Chromium notes every such status
    made.said.clear()


def test_a_file_that_is_too_large_is_not_even_sent(visit):
    made = visit()
    made.open().evaluate("""() => {
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array(21 * 2 ** 20)], "large.jpg", { type: "image/jpeg" }));
      document.getElementById("drop").dispatchEvent(
        new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
    }""")
    assert "at most 20 MB are read" in made.message()
    assert not [url for url in made.asked if "describe" in url]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_of_forty_megapixels_is_described(visit, kind):
    made = visit()
    page = made.open()
    content = encoded((8000, 5000), kind)
    made.upload(content, "large", f"image/{kind.lower()}")
    page.wait_for_selector(".caption .word, #status.bad:not(:empty)")
    assert page.locator(".caption .word").count() > 0


def test_a_phone_needs_no_sideways_scrolling_and_its_targets_are_large(visit, photo):
    made = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = made.open()
    made.upload(photo)
    page.wait_for_selector(".caption .word")
    page.locator(".word").first.tap()
    for path in ("", "#training", "api"):
        if path:
            made.open(path)
            page.wait_for_selector("svg.chart, .address")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        small = page.evaluate("""() => [...document.querySelectorAll("button, .button, select, nav a")]
          .filter((found) => found.checkVisibility() && found.getBoundingClientRect().height < 24)
          .map((found) => found.outerHTML)""")
        assert small == []  # WCAG 2.2, 2.5.8


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_into_the_dark(visit, scheme):
    page = visit(color_scheme=scheme).open()
    red = int(page.evaluate("getComputedStyle(document.body).backgroundColor").split("(")[1].split(",")[0])
    assert (red < 128) == (scheme == "dark")


def test_a_training_is_followed_while_it_writes(visit, runs):
    made = visit()
    page = made.open("#training")
    page.wait_for_selector("svg.chart")
    assert "epoch 2 of 2 done" in page.inner_text("#standing")
    assert page.locator(".samples img").count() == 1
    assert page.inner_text("#training output") == "epoch 2"
    page.locator("#epoch").fill("0")
    assert page.inner_text("#training output") == "epoch 1"
    record = {"step": 6, "epoch": 3, "train_loss": 1.0, "validation_loss": 1.5, "learning_rate": 1e-3}
    with open(runs / "mine" / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    page.wait_for_function("() => document.getElementById('standing').textContent.startsWith('epoch 3')")
    assert page.inner_text("#training output") == "epoch 1"  # the reader's choice stays
    assert "training 1, validation 1.5" in page.get_attribute("svg.chart[role]", "aria-label")


def test_the_api_has_a_page_with_every_address(visit):
    made = visit()
    page = made.open("api")
    page.wait_for_selector(".address")
    assert page.locator(".address code").all_inner_texts() == [
        *("/api/runs", "/api/describe", "/api/hide", "/api/progress", "/api/sample"),
    ]


def test_no_style_or_code_in_the_html_gets_past_the_policy(visit):
    made = visit()
    page = made.open()
    page.evaluate("""() => {
      document.body.insertAdjacentHTML("beforeend", "<p id=added style='color: red' onclick='broken = 1'>x");
      document.getElementById("added").click();
    }""")
    assert page.evaluate("window.broken") is None
    assert page.evaluate("document.getElementById('added').style.length") == 0
    assert all("Content Security Policy" in entry for entry in made.said)
    made.said.clear()
