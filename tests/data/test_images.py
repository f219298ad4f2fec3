import hashlib
import json
import os
import sys
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minicap.data import images
from minicap.data.images import SQUEEZENET, Preprocess, load_image, read_image
from minicap.errors import DtypeError, InputError, ShapeError


@pytest.fixture
def photo(rng) -> np.ndarray:
    """(48, 64, 3) uint8, smooth, so that JPEG changes little."""
    rows, columns = np.mgrid[0:48, 0:64]
    return np.stack([rows * 5, columns * 3, 255 - rows * 2 - columns * 2], axis=2).astype(np.uint8)


def save(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


PLAIN = Preprocess(name="plain", size=4, resize_to=4)


# Loading: what is handled


def test_a_png_photo_loads_as_it_was(tmp_path, photo):
    loaded = load_image(save(Image.fromarray(photo), tmp_path / "a.png"))
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, photo)


def test_the_path_may_be_a_text(tmp_path, photo):
    assert load_image(str(save(Image.fromarray(photo), tmp_path / "a.png"))).shape == (48, 64, 3)


def test_a_photo_of_one_pixel_loads(tmp_path):
    loaded = load_image(save(Image.new("RGB", (1, 1), (1, 2, 3)), tmp_path / "a.png"))
    np.testing.assert_array_equal(loaded, [[[1, 2, 3]]])


def test_a_greyscale_photo_has_three_equal_channels(tmp_path, photo):
    loaded = load_image(save(Image.fromarray(photo[:, :, 0]), tmp_path / "a.png"))
    np.testing.assert_array_equal(loaded, np.repeat(photo[:, :, :1], 3, axis=2))


def test_a_black_and_white_photo_is_0_and_255(tmp_path):
    bits = np.array([[0, 255], [255, 0]], np.uint8)
    loaded = load_image(save(Image.fromarray(bits).convert("1"), tmp_path / "a.png"))
    np.testing.assert_array_equal(loaded[:, :, 1], bits)


def test_a_palette_photo_has_the_colours_of_its_palette(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    np.testing.assert_array_equal(
        load_image(save(image, tmp_path / "a.png"))[0], [[10, 20, 30], [200, 100, 50]]
    )


def test_a_transparent_palette_colour_becomes_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    loaded = load_image(save(image, tmp_path / "a.png", transparency=0))
    np.testing.assert_array_equal(loaded[0], [[255, 255, 255], [200, 100, 50]])


@pytest.mark.parametrize(("alpha", "red"), [(0, 255), (128, 127), (255, 0)])
def test_transparency_is_laid_over_white(tmp_path, alpha, red):
    loaded = load_image(save(Image.new("RGBA", (3, 2), (0, 10, 20, alpha)), tmp_path / "a.png"))
    assert abs(int(loaded[0, 0, 0]) - red) <= 1


def test_grey_with_transparency_is_laid_over_white(tmp_path):
    loaded = load_image(save(Image.new("LA", (3, 2), (40, 0)), tmp_path / "a.png"))
    np.testing.assert_array_equal(loaded, np.full((2, 3, 3), 255))


def test_a_cmyk_jpeg_becomes_rgb(tmp_path, photo):
    cmyk = Image.fromarray(photo).convert("CMYK")
    loaded = load_image(save(cmyk, tmp_path / "a.jpg", quality=100))
    assert np.abs(loaded.astype(int) - photo).max() <= 6


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bit_grey_keeps_its_upper_bits(tmp_path, suffix):
    deep = (np.arange(48 * 64).reshape(48, 64) * 21).astype(np.uint16)
    path = tmp_path / f"a.{suffix}"
    if suffix == "pgm":  # which Pillow has not always written
        path.write_bytes(b"P5 64 48 65535\n" + deep.astype(">u2").tobytes())
    else:
        save(Image.fromarray(deep), path)
    loaded = load_image(path)
    np.testing.assert_array_equal(loaded[:, :, 0], deep >> 8)


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = save(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(load_image(path)[0, 0], [255, 0, 0])


UPRIGHT = {  # EXIF 2.32, tag 0x0112: how the stored rows and columns lie
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_photo_stored_turned_comes_out_upright(tmp_path, photo, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(UPRIGHT[orientation](photo))
    loaded = load_image(save(Image.fromarray(stored), tmp_path / f"a.{suffix}", exif=exif))
    np.testing.assert_array_equal(loaded, photo)


@pytest.mark.parametrize("exif", [b"Exif\0\0rubbish", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"])
def test_broken_exif_data_does_not_matter(tmp_path, photo, exif):
    path = save(Image.fromarray(photo), tmp_path / "a.jpg", exif=exif)
    assert load_image(path).shape == photo.shape


def test_the_warning_filters_stay_as_they_were(tmp_path, photo):
    before = list(warnings.filters)
    load_image(save(Image.fromarray(photo), tmp_path / "a.png"))
    assert warnings.filters == before


# Loading: what is refused


def refusal(path: Path) -> str:
    """The one-line message for a bad file, which names it."""
    with pytest.raises(InputError) as caught:
        load_image(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_missing_file_is_named(tmp_path):
    assert "no such file" in refusal(tmp_path / "a.jpg")


def test_a_folder_is_no_photo(tmp_path):
    assert "folder" in refusal(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"")
    assert "empty" in refusal(path)


def test_a_text_is_not_an_image(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_text("a photo of a dog", encoding="utf-8")
    assert "not an image" in refusal(path)


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root reads all"
)
def test_a_file_without_permission_is_named(tmp_path, photo):
    path = save(Image.fromarray(photo), tmp_path / "a.png")
    path.chmod(0)
    assert "cannot be read" in refusal(path)


def test_a_read_error_is_named(tmp_path, photo, monkeypatch):
    path = save(Image.fromarray(photo), tmp_path / "a.png")

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(images, "open_regular", denied)
    assert "cannot be read (Permission denied)" in refusal(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp"])
def test_a_truncated_photo_is_refused(tmp_path, rng, suffix):
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(Image.fromarray(noise), tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged" in refusal(path) or "not an image" in refusal(path)


def test_a_truncated_jpeg_is_called_so(tmp_path, rng):
    path = save(Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-1000])
    assert "truncated" in refusal(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp"])
def test_scrambled_files_never_end_in_another_error(tmp_path, photo, rng, suffix):
    whole = save(Image.fromarray(photo), tmp_path / f"whole.{suffix}").read_bytes()
    for i in range(60):
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(0, len(data), 20)] = rng.integers(0, 256, 20)
        path = tmp_path / f"{i}.{suffix}"
        path.write_bytes(data.tobytes())
        with suppress(InputError):
            assert load_image(path).shape[2] == 3  # some damage does no harm


@pytest.mark.parametrize("pixels", [150, 250], ids=["over the limit", "over twice the limit"])
def test_a_decompression_bomb_names_pixels_and_limit(tmp_path, monkeypatch, pixels):
    path = save(Image.new("1", (pixels, 1)), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    message = refusal(path)
    assert f"{pixels} pixels" in message
    assert ("100 pixels" if pixels == 150 else "200 pixels") in message


def test_a_photo_at_the_limit_still_loads(tmp_path, monkeypatch):
    path = save(Image.new("1", (100, 1)), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_image(path).shape == (1, 100, 3)


def test_a_real_bomb_is_refused_before_it_unpacks(tmp_path):
    path = save(Image.new("1", (20_000, 10_000)), tmp_path / "a.png")
    assert path.stat().st_size < 100_000
    assert "200000000 pixels" in refusal(path)


@pytest.mark.parametrize(
    ("value", "kind"), [(np.int32(70_000), "32-bit"), (np.float32(0.5), "floating-point")]
)
def test_pixels_without_a_known_white_are_refused(tmp_path, value, kind):
    assert kind in refusal(save(Image.fromarray(np.full((3, 3), value)), tmp_path / "a.tif"))


# Preprocess


@pytest.mark.parametrize("name", ["dark.tif", "dark.png"])
def test_8_bit_values_in_a_16_bit_file_do_not_become_black(tmp_path, name):
    path = save(Image.fromarray(np.full((3, 3), 200, np.uint16)), tmp_path / name)
    assert "16-bit pixels, but none above 200 of 65535" in refusal(path)


def test_small_values_in_a_32_bit_file_do_not_become_black(tmp_path):
    path = save(Image.fromarray(np.full((3, 3), 200, np.int32)), tmp_path / "a.tif")
    assert "32-bit integer pixels have no known white" in refusal(path)


def test_a_black_16_bit_photo_stays_black(tmp_path):
    path = save(Image.fromarray(np.zeros((3, 3), np.uint16)), tmp_path / "a.tif")
    assert load_image(path).max() == 0


@pytest.mark.parametrize("name", ["a.eps", "a.jpg"])
def test_postscript_never_reaches_ghostscript(tmp_path, monkeypatch, name):
    def interpreter(*args, **kwargs):
        raise AssertionError("Ghostscript was called")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", interpreter)
    with (tmp_path / name).open("wb") as file:
        Image.new("RGB", (4, 4)).save(file, "EPS")
    assert "not an image that can be read" in refusal(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
@pytest.mark.timeout(20)
def test_a_pipe_or_a_device_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    for path in (tmp_path / "a.jpg", Path("/dev/zero")):
        assert "a pipe, a device or a socket" in refusal(path)


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b.jpg"])
def test_an_impossible_path_is_refused(path):
    with pytest.raises(InputError):
        load_image(path)


# Large photos


@pytest.mark.parametrize(("enough", "side"), [(None, 800), (401, 800), (400, 400), (100, 100), (1, 100)])
def test_a_large_jpeg_is_read_no_smaller_than_enough(tmp_path, enough, side):
    path = save(Image.new("RGB", (2 * 800, 800), "red"), tmp_path / "a.jpg")
    assert load_image(path, enough).shape == (side, 2 * side, 3)


def test_a_network_sees_a_large_jpeg_as_if_it_had_been_read_whole(tmp_path):
    rows, columns = np.mgrid[:1200, :1600]
    smooth = np.stack([rows % 256, columns % 256, (rows + columns) // 11 % 256], axis=2).astype(np.uint8)
    smooth[::] = np.asarray(Image.fromarray(smooth).resize((20, 15)).resize((1600, 1200)))
    path = save(Image.fromarray(smooth), tmp_path / "a.jpg", quality=95)
    small, whole = SQUEEZENET.read(path), SQUEEZENET(load_image(path))
    assert load_image(path, 2 * SQUEEZENET.resize_to).shape == (600, 800, 3)
    assert np.abs(small - whole).mean() < 1.5  # of 255; photos of one colour are the same to the eye


def test_an_almost_black_photo_is_read_though_an_array_in_0_to_1_is_refused(tmp_path):
    path = save(Image.fromarray(np.eye(8, dtype=np.uint8)), tmp_path / "a.png")
    assert PLAIN.read(path).shape == (3, PLAIN.size, PLAIN.size)
    with pytest.raises(InputError, match=r"uint8 in 0\.\.1"):
        PLAIN(load_image(path))


def test_the_network_input_is_float32_channels_first(photo):
    batch = SQUEEZENET(photo)
    assert batch.shape == (3, 227, 227)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous


def test_squeezenet_sees_blue_first_minus_the_mean():
    red = np.zeros((227, 227, 3), np.uint8)
    red[:, :, 0] = 255
    blue_mean, green_mean, red_mean = 103.939, 116.779, 123.68
    expected = np.array([-blue_mean, -green_mean, 255 - red_mean], np.float32)
    np.testing.assert_allclose(SQUEEZENET(red)[:, 100, 100], expected, rtol=1e-6)


def test_scale_mean_and_std_work_in_the_order_of_the_channels():
    image = np.full((4, 4, 3), (51, 102, 255), np.uint8)
    options = dict(scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    rgb, bgr = replace(PLAIN, **options), replace(PLAIN, channels="BGR", **options)
    np.testing.assert_allclose(rgb(image)[:, 0, 0], [0.2, 0.2, 0.35], rtol=1e-6)
    np.testing.assert_allclose(bgr(image)[:, 0, 0], [1.8, 0.2, -0.05], rtol=1e-5)


def test_crop_keeps_the_middle_and_squash_keeps_all():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, :10], image[:, 10:20], image[:, 20:] = 30, 60, 90
    crop = replace(PLAIN, size=3, resize_to=3, fit="crop", interpolation="box")(image)
    squash = replace(PLAIN, size=3, resize_to=3, fit="squash", interpolation="box")(image)
    np.testing.assert_array_equal(crop[0, 0], [60, 60, 60])
    np.testing.assert_array_equal(squash[0, 0], [30, 60, 90])


def test_resizing_larger_than_the_input_cuts_the_rim_off(photo):
    square = photo[:40, :40]
    whole = replace(PLAIN, size=40, resize_to=40)(square)
    np.testing.assert_array_equal(replace(PLAIN, size=30, resize_to=40)(square), whole[:, 5:35, 5:35])


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    size=st.integers(1, 12),
    rim=st.integers(0, 5),
    fit=st.sampled_from(["crop", "squash"]),
    channels=st.sampled_from(["RGB", "BGR"]),
)
def test_any_photo_of_one_colour_keeps_it(height, width, size, rim, fit, channels):
    preprocess = replace(PLAIN, size=size, resize_to=size + rim, fit=fit, channels=channels)
    colour = np.array([7, 130, 255], np.uint8)
    result = preprocess(np.broadcast_to(colour, (height, width, 3)))
    ordered = colour if channels == "RGB" else colour[::-1]
    np.testing.assert_array_equal(result, np.broadcast_to(ordered[:, None, None], (3, size, size)))


def test_a_very_long_photo_costs_no_more_than_its_middle():
    strip = np.zeros((1, 60_000, 3), np.uint8)
    assert SQUEEZENET(strip).shape == (3, 227, 227)


def test_a_black_photo_is_a_photo():
    assert PLAIN(np.zeros((5, 5, 3), np.uint8)).max() == 0


@pytest.mark.parametrize(
    ("image", "error", "says"),
    [
        (
            np.linspace(0, 1, 75).reshape(5, 5, 3),
            DtypeError,
            r"float64 in 0\.\.1; uint8 in 0\.\.255.*multiply",
        ),
        (np.full((5, 5, 3), 200.0, np.float32), DtypeError, r"float32 in 200\.\.200; uint8 in 0\.\.255"),
        (np.ones((5, 5, 3), np.int64), DtypeError, r"int64 in 1\.\.1"),
        (
            np.eye(5, dtype=np.uint8)[:, :, None].repeat(3, 2),
            InputError,
            r"uint8 in 0\.\.1.*uint8 in 0\.\.255",
        ),
        ("photo.jpg", DtypeError, "image is a str; a NumPy array is needed"),
        (Image.new("RGB", (5, 5)), DtypeError, "image is a Image; a NumPy array is needed"),
        (np.zeros((5, 5), np.uint8), ShapeError, r"\(5, 5\).*\(H, W, 3\)"),
        (np.zeros((3, 5, 5), np.uint8), ShapeError, r"\(3, 5, 5\).*\(H, W, 3\)"),
        (np.zeros((0, 5, 3), np.uint8), ShapeError, r"\(0, 5, 3\)"),
    ],
)
def test_an_image_in_the_wrong_range_or_shape_is_refused(image, error, says):
    with pytest.raises(error, match=says):
        PLAIN(image)


positive = st.floats(1e-3, 300, allow_nan=False)
presets = st.builds(
    lambda size, rim, **rest: Preprocess(size=size, resize_to=size + rim, **rest),
    name=st.text(min_size=1),
    size=st.integers(1, 500),
    rim=st.integers(0, 50),
    fit=st.sampled_from(["crop", "squash"]),
    interpolation=st.sampled_from(["nearest", "box", "bilinear", "bicubic", "lanczos"]),
    channels=st.sampled_from(["RGB", "BGR"]),
    scale=positive,
    mean=st.tuples(*[st.floats(-300, 300)] * 3),
    std=st.tuples(*[positive] * 3),
)


@given(presets)
def test_json_keeps_every_field(preprocess):
    again = Preprocess.from_json(preprocess.to_json())
    assert again == preprocess
    assert again.fingerprint() == preprocess.fingerprint()


def test_integers_and_lists_mean_the_same_as_floats_and_tuples():
    listed = Preprocess(name="plain", size=4, resize_to=4, scale=1, mean=[0, 0, 0], std=[1, 1, 1])
    assert listed == PLAIN
    assert listed.fingerprint() == PLAIN.fingerprint()


def test_the_fingerprint_is_the_same_in_every_process():
    text = (
        '{"channels": "RGB", "fit": "crop", "interpolation": "bilinear", "mean": [0.0, 0.0, 0.0], '
        '"name": "plain", "resize_to": 4, "scale": 1.0, "size": 4, "std": [1.0, 1.0, 1.0]}'
    )
    assert PLAIN.fingerprint() == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_every_field_changes_the_fingerprint():
    changes = dict(
        name="other", size=3, resize_to=5, fit="squash", interpolation="bicubic", channels="BGR", scale=2.0,
        mean=(1.0, 0.0, 0.0), std=(2.0, 1.0, 1.0),
    )  # fmt: skip
    assert changes.keys() == json.loads(PLAIN.to_json()).keys()
    prints = {replace(PLAIN, **{field: value}).fingerprint() for field, value in changes.items()}
    assert len(prints | {PLAIN.fingerprint()}) == len(changes) + 1


def test_an_unknown_key_is_named_with_its_neighbour():
    values = json.loads(PLAIN.to_json()) | {"chanels": "RGB"}
    with pytest.raises(InputError, match=r"""unknown key 'chanels' \(did you mean "channels"\?\)"""):
        Preprocess.from_json(json.dumps(values))


def test_a_missing_key_is_named():
    values = json.loads(PLAIN.to_json())
    del values["mean"]
    with pytest.raises(InputError, match="'mean' is missing"):
        Preprocess.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null"])
def test_text_that_is_no_preprocess_is_refused(text):
    with pytest.raises(InputError, match="from_json"):
        Preprocess.from_json(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", 3),
        ("size", 0), ("size", 2.0), ("size", True), ("size", "4"), ("resize_to", 3),
        ("fit", "stretch"), ("fit", None), ("channels", "rgb"), ("interpolation", "cubic"),
        ("scale", 0), ("scale", float("nan")), ("scale", "1"),
        ("mean", (0, 0)), ("mean", 3), ("mean", (0, 0, float("inf"))),
        ("std", (1, 1, 0)), ("std", (1, 1, "1")),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=f"Preprocess: {field} is"):
        replace(PLAIN, **{field: value})


@pytest.mark.parametrize(
    ("fit", "seen"), [("crop", (slice(2, 8), slice(7, 13))), ("squash", (slice(2, 8), slice(4, 16)))]
)
def test_what_a_network_sees_of_a_photo(fit, seen):
    photo = np.random.default_rng(0).integers(256, size=(10, 20, 3), dtype=np.uint8)
    preprocess = Preprocess(name="some", size=6, resize_to=10, fit=fit)
    np.testing.assert_array_equal(preprocess.seen(photo), photo[seen])


def test_an_open_file_is_read_by_the_same_rules(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (7, 5), "teal").save(path)
    with open(path, "rb") as file:
        assert np.array_equal(read_image(file, "the photo"), load_image(path))
    with open(path, "rb") as file, pytest.raises(InputError, match=r"the photo: not an image.*\(JPEG\)"):
        read_image(file, "the photo", formats=("JPEG",))


def test_too_many_pixels_are_refused_by_their_number(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (3000, 1000), "teal").save(path)
    with open(path, "rb") as file, pytest.raises(InputError, match=r"3000 x 1000 .* at most 2 million"):
        read_image(file, "the photo", most_pixels=2_000_000)
