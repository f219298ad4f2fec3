"""The README's picture of a failing gradient check says what the checker says."""

from xml.etree import ElementTree

from tools import picture

VERDICTS = (
    "dw is transposed",
    "db is 0.25 times what it should be (divided by the batch size 4 once too often)",
)


def words_of(svg: str) -> str:
    """The text of a picture, its lines joined."""
    return " ".join(element.text for element in ElementTree.fromstring(svg).iter() if element.text)


def test_the_picture_shows_the_program_and_what_the_checker_says_of_it():
    shown, printed = words_of(picture.PICTURE.read_text(encoding="utf-8")), picture.printed()
    assert [line for line in picture.EXAMPLE.splitlines() if line.strip() not in shown] == []
    assert [verdict for verdict in VERDICTS if verdict not in shown or verdict not in printed] == []


def test_a_long_line_goes_on_below():
    lines = list(picture.lines("linear  b  FAIL: " + "word " * 40))
    broken = [line for line, colour in lines if colour == picture.BAD]
    assert len(broken) > 1
    assert all(len(line) <= picture.COLUMNS for line, _ in lines)
    assert all(line.startswith(" ") for line in broken[1:])


def test_characters_with_a_meaning_in_xml_are_escaped():
    assert "a < b & c" in words_of(picture.drawn("a < b & c"))
