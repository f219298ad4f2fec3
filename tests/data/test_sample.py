import os
import re
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

import pytest

import minicap
from minicap.data import load_image, load_sample, sample_attribution


@pytest.fixture(scope="module")
def sample():
    return load_sample()


def test_the_sample_has_104_photos_with_five_captions_each(sample):
    assert sample.name == "sample"
    assert len(sample) == 104
    assert {len(image.captions) for image in sample.images} == {5}


def test_84_photos_are_for_training_and_20_held_out(sample):
    assert sample.counts() == {"train": 84, "val": 0, "test": 20}


def test_every_photo_loads_with_a_shorter_side_of_160(sample):
    for image in sample.images:
        assert min(load_image(image.path).shape[:2]) == 160


def test_the_tokens_are_the_lower_case_words_of_the_captions(sample):
    for image in sample.images:
        for tokens, raw in zip(image.captions, image.raw, strict=True):
            assert tokens == tuple(re.findall(r"[a-z0-9']+", raw.lower()))


def test_the_labels_are_among_the_categories(sample):
    known = {category["id"] for category in sample.extra["categories"]}
    labelled = [image.extra["category_ids"] for image in sample.images if "category_ids" in image.extra]
    assert len(labelled) == 76
    assert set().union(*labelled) <= known


def test_every_photo_is_attributed(sample):
    rows = [line for line in sample_attribution().splitlines() if "| images/" in line]
    expected = [
        f"| {number} | images/{i.path.name} | {i.image_id} | {i.extra['flickr_url']} | CC BY 2.0 |"
        for number, i in enumerate(sample.images, 1)
    ]
    assert rows == expected
    assert all(image.extra["license"] == "CC BY 2.0" for image in sample.images)
    assert all("staticflickr.com/" in image.extra["flickr_url"] for image in sample.images)


def test_the_attribution_names_licences_and_changes():
    text = sample_attribution()
    assert "https://creativecommons.org/licenses/by/2.0/" in text
    assert "https://creativecommons.org/licenses/by/4.0/" in text
    assert "COCO Consortium" in text
    assert "resized to a shorter side of 160 pixels" in text


def test_no_photo_is_shipped_without_attribution(sample):
    folder = resources.files("minicap.data") / "sample" / "images"
    assert {file.name for file in folder.iterdir()} == {image.path.name for image in sample.images}


def test_the_package_data_of_the_project_covers_the_sample():
    project = Path(minicap.__file__).parents[1] / "pyproject.toml"
    if not project.is_file():
        pytest.skip("needs a source checkout")
    text = project.read_text(encoding="utf-8")
    assert '"data/sample/*"' in text
    assert '"data/sample/images/*"' in text
    assert '"minicap/data/sample/ATTRIBUTION.md"' in text


def test_the_sample_loads_from_a_zip_file(tmp_path):
    package = Path(minicap.__file__).parent
    with zipfile.ZipFile(tmp_path / "minicap.zip", "w") as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and (file.suffix == ".py" or "sample" in file.parts):
                archive.write(file, Path("minicap") / file.relative_to(package))
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'minicap.zip')!r})\n"
        "import minicap.data as data\n"
        "assert 'minicap.zip' in data.__file__, data.__file__\n"
        "print(data.load_image(data.load_sample().images[0].path).shape, len(data.sample_attribution()))\n"
    )
    command = [sys.executable, "-c", program]
    environment = os.environ | {"MINICAP_CACHE": str(tmp_path / "cache")}
    for _ in range(2):  # unpacked, then found unpacked
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert result.returncode == 0, result.stderr
        assert "160" in result.stdout
    assert len(list((tmp_path / "cache" / "sample" / "images").iterdir())) == 104
