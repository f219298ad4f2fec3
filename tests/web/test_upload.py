"""A photo's way in: bounded, in memory alone, and refused with a reason."""

import asyncio
import tempfile

import pytest
from cli.photos import make_bad
from web.client import ask, form, post
from web.conftest import encoded

from minicap.web import Limits, Runs, make_app
from minicap.web.refusal import Refusal
from minicap.web.upload import Photo

CLASSIFY = "/api/describe?run=squeezenet1_1&top=1"


@pytest.fixture(scope="module")
def strict(app):
    """A server that takes little."""
    return make_app(Runs(), Limits(most_bytes=20_000, most_pixels=10_000))


def test_a_photo_is_the_body_or_the_field_of_a_form(app, jpeg):
    body, kind = form("photo", jpeg)
    plain, posted = post(app, CLASSIFY, jpeg), post(app, CLASSIFY, body, content_type=kind)
    assert plain.status == posted.status == 200
    assert plain.json() == posted.json()


def test_a_large_form_touches_no_disk(app, monkeypatch):
    def rollover(file):
        raise AssertionError("the upload was written to a temporary file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rollover)
    body, kind = form("photo", encoded((1200, 1000), "BMP"))
    assert len(body) > 3 * 2**20
    assert post(app, CLASSIFY, body, content_type=kind).status == 200


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (*form("picture", b"x"), 'no file "photo"'),
        (form("photo", b"x")[0][:-30], "multipart/form-data; boundary=edge", "photo"),
        (b"nothing of the kind", "multipart/form-data; boundary=edge", "the form"),
        (b"x", "multipart/form-data", "the form cannot be read"),
    ],
    ids=["another name", "cut", "no form", "no boundary"],
)
def test_a_form_without_a_whole_photo_is_refused(app, body, kind, said):
    answer = post(app, CLASSIFY, body, content_type=kind)
    assert answer.status in (400, 422)
    assert said in answer.error["message"]


def test_a_form_with_two_files_is_refused(app):
    body, kind = form("photo", b"x")
    twice = body.replace(b"--edge--\r\n", b"") + body
    assert post(app, CLASSIFY, twice, content_type=kind).error["code"] == "bad_form"


def test_an_empty_body_is_refused(app):
    assert post(app, CLASSIFY).error["code"] == "no_photo"


def test_too_many_bytes_are_refused_before_they_are_read(strict):
    def nobody_reads():
        raise AssertionError("the body was read")

    refused = asyncio.run(
        ask(strict, "POST", CLASSIFY, headers={"content-length": "20001"}, receive=nobody_reads)
    )
    assert (refused.status, refused.error["code"]) == (413, "too_large")


def test_too_many_bytes_are_refused_whatever_was_declared(strict):
    pieces = [b"x" * 10_000] * 3
    refused = asyncio.run(ask(strict, "POST", CLASSIFY, pieces, {"content-length": None}))
    assert refused.status == 413
    lied = asyncio.run(ask(strict, "POST", CLASSIFY, pieces, {"content-length": "7"}))
    assert lied.status == 413


def test_an_upload_that_never_ends_is_given_up(app):
    async def never():
        await asyncio.Event().wait()

    impatient = make_app(Runs(), Limits(upload_seconds=0.01))
    refused = asyncio.run(ask(impatient, "POST", CLASSIFY, receive=never))
    assert (refused.status, refused.error["code"]) == (408, "slow_upload")


def test_an_upload_that_breaks_off_frees_its_place(jpeg, runs_folder, app):
    server = make_app(Runs(), Limits(places=1))

    async def gone():
        return {"type": "http.disconnect"}

    for _ in range(3):
        assert asyncio.run(ask(server, "POST", CLASSIFY, receive=gone)).error["code"] == "cut_off"
    assert post(server, CLASSIFY, jpeg).status == 200


def test_too_many_pixels_are_refused_before_they_are_decoded(strict):
    answer = post(strict, CLASSIFY, encoded((200, 100), "PNG"))
    assert answer.status == 422
    assert "200 x 100 pixels are too many" in answer.error["message"]


def test_what_is_no_photo_is_refused_with_the_reason(app, tmp_path):
    for name, (path, said) in make_bad(tmp_path / "bad").items():
        if path.is_file() and path.stat().st_size:
            answer = post(app, CLASSIFY, path.read_bytes())
            assert answer.status == 422, name
            assert said in answer.error["message"], name
            assert "the photo" in answer.error["message"], name


def test_formats_that_a_browser_cannot_show_are_refused():
    with pytest.raises(Refusal, match=r"not an image that can be read \(JPEG, PNG, WebP, GIF, BMP\)"):
        Photo(encoded(kind="TIFF"), 10**6).pixels(32)


def test_a_photo_is_decoded_once_for_models_that_need_the_same_size(jpeg):
    photo = Photo(jpeg, 10**6)
    assert photo.pixels(464) is photo.pixels(464)
    assert photo.pixels(464).shape == (200, 320, 3)
