"""Tables and bars as HTML."""

from html.parser import HTMLParser

from minicap import html


class Page(HTMLParser):
    """The cells of a page's rows, each with its style; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[tuple[str, str]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append((dict(attrs)["style"], ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            style, before = self.rows[-1][-1]
            self.rows[-1][-1] = style, before + data


ROWS = [("layer", "size"), ("conv1", "12"), ("fc", "7"), ("total", "19")]


def test_a_table_holds_every_cell_in_its_place():
    assert [[text for _, text in row] for row in Page(html.table(ROWS)).rows] == [list(r) for r in ROWS]


def test_numbers_stand_right_and_words_left():
    for word, number in Page(html.table(ROWS, right={"size"})).rows:
        assert ("left" in word[0], "right" in number[0]) == (True, True)


def test_only_the_last_cell_of_a_wrong_row_is_marked():
    styles = [[style for style, _ in row] for row in Page(html.table(ROWS, wrong={2})).rows]
    marked = [(r, c) for r, row in enumerate(styles) for c, style in enumerate(row) if "color" in style]
    assert marked == [(2, 1)]


def test_a_total_is_set_apart():
    rows = Page(html.table(ROWS, total=True)).rows
    assert ["border-top" in row[0][0] for row in rows] == [False, False, False, True]


def test_lines_below_the_table_follow_it():
    assert html.table(ROWS, below=["3 < 4"]).endswith("</table><div>3 &lt; 4</div>")


def test_text_of_somebody_else_stays_text():
    page = html.table([("<b>", "a"), ("<script>alert(1)</script>", "&")])
    assert Page(page).rows[1][0][1] == "<script>alert(1)</script>"
    assert "<script" not in page
    assert "<img" not in html.bar("<img src=x>", "<img src=y>", 1, 2)


def test_a_bar_says_how_far_the_work_has_come():
    assert '<progress value="3" max="4"></progress>' in html.bar("train", "3/4", 3, 4)
    assert "75%" in html.bar("train", "3/4", 3, 4)


def test_a_bar_is_never_more_than_full():
    assert '<progress value="4" max="4"></progress>' in html.bar("train", "5/4", 5, 4)
    assert "100%" in html.bar("train", "5/4", 5, 4)


def test_without_a_total_there_is_no_bar():
    assert "<progress" not in html.bar("train", "5", 5, None)
