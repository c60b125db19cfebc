"""The site builds without a warning, and what is built needs no network and has no link that leads nowhere."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

DOCS = Path(__file__).parents[2] / "docs"
LOADS = {"src", "srcset", "data", "poster"}


def build(source: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", *options, "-d", str(target / "trees")]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*command, str(source), str(target / "site")], capture_output=True, text=True, env=env)


class Page(HTMLParser):
    """What a page loads, links to, and can be linked to at."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif value and (name in LOADS or (tag == "link" and name == "href")):
                self.loads.append(value)
            elif value and tag == "a" and name == "href":
                self.links.append(value)


def test_the_site(tmp_path: Path) -> None:
    done, site = build(DOCS, tmp_path), tmp_path / "site"
    assert done.returncode == 0, done.stderr
    pages = {file: Page(file) for file in site.rglob("*.html")}
    assert len(pages) > 20
    check_loads(pages)
    check_links(pages)
    check_styles(site)
    check_equations(site)
    check_in_a_browser(site)


def check_loads(pages: dict[Path, Page]) -> None:
    """Scripts, styles, pictures and fonts are files of the site."""
    for file, page in pages.items():
        assert page.loads
        for target in page.loads:
            if not target.startswith("data:"):
                assert not urlsplit(target).netloc, f"{file.name} loads {target}"
                assert (file.parent / unquote(urlsplit(target).path)).exists(), f"{file.name} lacks {target}"


def check_links(pages: dict[Path, Page]) -> None:
    """Links within the site lead to a page, and to a place on it."""
    for file, page in pages.items():
        for link in page.links:
            path, anchor = urldefrag(link)
            if urlsplit(link).scheme:
                continue
            target = (file.parent / unquote(path)).resolve() if path else file
            assert target.exists(), f"{file.name} links to {link}"
            if target.suffix == ".html":
                assert unquote(anchor) in pages[target].anchors, f"{file.name} links to {link}"


def check_styles(site: Path) -> None:
    """Style sheets load nothing from elsewhere."""
    for file in site.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert "url(http" not in text.replace('"', "").replace("'", "")
        assert "@import" not in text


def check_equations(site: Path) -> None:
    """Equations are MathML, without commands that were not understood."""
    text = (site / "environments" / "fastcharge.html").read_text(encoding="utf-8")
    assert text.count("<math ") > 10
    for file in (site / "environments").glob("*.html"):
        for equation in file.read_text(encoding="utf-8").split("<math ")[1:]:
            assert "\\" not in equation.split("</math>")[0], file.name


def check_in_a_browser(site: Path) -> None:
    """On a desk and a phone: no error, nothing asked of a network, no page that scrolls sideways, and accessible."""
    browser = helper()
    if browser.missing():
        return
    with browser.chromium() as chromium:
        for name, width, scheme in (("index", 1280, "light"), ("environments/fastcharge", 390, "dark")):
            watched = browser.Watched(chromium, width=width, scheme=scheme)
            page = watched.open(site / f"{name}.html")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert watched.errors == []
            assert [url for url in watched.asked if not url.startswith(("file:", "data:"))] == []
            assert watched.faults() == []


def helper() -> Any:
    """The browser of the leaderboard's tests."""
    file = Path(__file__).parents[1] / "experiments" / "browser.py"
    spec = importlib.util.spec_from_file_location("docs_browser", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "text", ["# A\n\n[nowhere](nothing.md)\n", "# A\n\n[nowhere](#nothing)\n", "# A\n\n![no](no.png)\n"]
)
def test_a_broken_page_is_a_warning(text: str, tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "index.md").write_text(text)
    (source / "conf.py").write_text('extensions = ["myst_parser"]\nmyst_heading_anchors = 3\n')
    assert build(source, tmp_path).returncode
