"""The files of the page: small, plain, from no other host."""

import json
import re

import pytest

from minicap.web.pages import PHOTOS, load_pages, load_photos

PAGES = load_pages()
TEXT = {name: page.content.decode("utf-8") for name, page in PAGES.items()}
CODE = [name for name in TEXT if name.endswith(".js")]


def test_all_files_of_the_page_are_there():
    assert {"index.html", "api.html", "page.css", "page.js", "icon.svg", "openapi.json"} <= PAGES.keys()
    assert sum(len(page.content) for page in PAGES.values()) < 100_000


@pytest.mark.parametrize("name", TEXT)
def test_no_file_names_another_host(name):
    hosts = set(re.findall(r"https?://[\w.-]+", TEXT[name]))
    assert hosts <= {"http://www.w3.org"}  # the name of SVG, which nothing is loaded from


@pytest.mark.parametrize("name", ["index.html", "api.html"])
def test_a_page_has_no_code_or_style_of_its_own(name):
    assert not re.search(r"<style|style=|\son\w+=|javascript:", TEXT[name])
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", TEXT[name]))


def test_every_file_that_another_names_is_there():
    named = {found for text in TEXT.values() for found in re.findall(r'(?:/static/|from "\./)([\w.]+)', text)}
    assert named == PAGES.keys() - {"index.html", "api.html", "openapi.json"}


@pytest.mark.parametrize("name", CODE)
def test_what_users_and_models_say_is_only_ever_text(name):
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", TEXT[name])


def test_the_code_finds_every_element_it_asks_for():
    ids = set(re.findall(r'\bid="([\w-]+)"', TEXT["index.html"] + TEXT["api.html"]))
    asked = {found for name in CODE for found in re.findall(r'find\("([\w-]+)"\)', TEXT[name])}
    assert asked <= ids


def test_every_field_has_a_label():
    page = TEXT["index.html"]
    fields = set(re.findall(r'<(?:input|select) id="([\w-]+)"', page))
    labelled = set(re.findall(r'<label[^>]* for="([\w-]+)"', page))
    assert fields - labelled == {"capture"}  # which the button "Take a photo" opens; hidden from readers


def test_every_module_begins_with_what_it_is_for():
    assert all(TEXT[name].startswith("// ") for name in CODE)


def test_every_photo_to_try_is_listed_with_what_is_on_it():
    photos = load_photos()
    listed = json.loads(photos["photos.json"].content)
    assert [each["file"] for each in listed] == [name for name in photos if name != "photos.json"]
    assert len(listed) == PHOTOS
    assert all(len(each["caption"].split()) > 3 for each in listed)
    assert sum(len(photo.content) for photo in photos.values()) < 150_000


def test_a_file_has_the_tag_of_its_content():
    assert len({page.etag for page in PAGES.values()}) == len(PAGES)


def test_the_description_of_the_api_refers_to_nothing_that_is_missing():
    spec = json.loads(TEXT["openapi.json"])
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', TEXT["openapi.json"]):
        place = spec
        for key in reference.split("/"):
            place = place[key]


def luminance(colour):
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The ratio of WCAG 2.2, from 1 to 21."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_it_is_on(scheme):
    """As WCAG 2.2 asks on level AA: 4.5 for text, 3 for lines that carry meaning."""
    light, dark = TEXT["page.css"].split("@media (prefers-color-scheme: dark)", 1)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", light))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([\w-]+): (#\w{6})", dark.partition("* {")[0]))
    for text in ("ink", "muted", "strong"):
        for ground in ("page", "card", "soft"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["on-strong"], colours["strong"]) >= 4.5
    assert contrast(colours["bad"], colours["bad-soft"]) >= 4.5
    for line in ("train", "validation", "step"):
        assert contrast(colours[line], colours["card"]) >= 3, line
