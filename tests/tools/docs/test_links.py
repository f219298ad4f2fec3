"""Links of the documentation site that lead nowhere are found, and files of other hosts."""

from tools.docs import links


def problems(tmp_path, **files: str) -> list[str]:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(links.problems(tmp_path))


def test_links_to_pages_anchors_and_files_that_exist_are_fine(tmp_path):
    page = '<p id="here"><a href="#here">1</a><a href="b/c.html#there">2</a><a href="d.txt">3</a>'
    page += '<a href="https://example.org/">4</a><a class="x" href="b/c.html?q=1">5</a>'
    assert problems(tmp_path, a_html=page, b__c_html='<h1 id="there">', d_txt="") == []


def test_a_missing_page_and_a_missing_anchor_are_named(tmp_path):
    page = '<a href="gone.html">1</a><a href="b.html#gone">2</a><a href="#gone">3</a>'
    assert problems(tmp_path, a_html=page, b_html="") == [
        "a.html: nothing is at #gone",
        "a.html: nothing is at b.html#gone",
        "a.html: nothing is at gone.html",
    ]


def test_a_script_a_picture_and_a_style_sheet_of_another_host_are_named(tmp_path):
    page = '<script src="https://cdn.example/x.js"></script><img alt="" src="//cdn.example/y.png">'
    sheet = '@import "https://fonts.example/f.css"; a { background: url(data:x) }'
    assert problems(tmp_path, a_html=page, s_css=sheet) == [
        "a.html: loads //cdn.example/y.png from another host",
        "a.html: loads https://cdn.example/x.js from another host",
        "s.css: loads https://fonts.example/f.css from another host",
    ]


def test_a_missing_picture_is_named(tmp_path):
    assert problems(tmp_path, a_html='<img src="gone.png">') == ["a.html: gone.png is missing"]
