"""The documentation site is searched for links that lead nowhere when it is built."""

import runpy
from pathlib import Path

BROKEN = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "links.py"))["broken"]


def test_broken_links_are_found_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a picture.png").write_bytes(b"")
    (tmp_path / "inner" / "other.html").write_text('<h1\n id="here">x</h1> <a name=\'there\'></a> <a href="#">up</a>')
    good = [
        "inner/other.html#here",
        "inner/other.html?v=1#there",
        "a%20picture.png",
        "#",
        "https://a.example/b",
        "inner/",
    ]
    bad = ["inner/others.html", "inner/other.html#nowhere", "#mine", "../outside.png"]
    links = "".join(f'<a class="x" href="{link}">' for link in [*good, *bad])
    (tmp_path / "index.html").write_text(f'{links}<img src="gone.png"> <p>href="said, not linked"</p>')
    assert {(path.name, link) for path, link in BROKEN(tmp_path)} == {
        ("index.html", link) for link in [*bad, "gone.png"]
    }
