"""A headless Chromium for tests, and what a page said in it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing() -> str:
    """What there lacks to run a browser; empty where nothing does."""
    if PATH is None:
        return "there is no chromium on the path"
    lacking = [name for name in ("playwright", "axe_playwright_python") if importlib.util.find_spec(name) is None]
    return f"{', '.join(lacking)} not installed; pip install '.[test]'" if lacking else ""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=PATH, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page, with all that it logged, threw and asked the network for."""

    def __init__(self, browser: Any, width: int = 1280, scheme: str = "light", script: bool = True) -> None:
        size: Any = {"width": width, "height": 844}
        self.context = browser.new_context(color_scheme=scheme, viewport=size, java_script_enabled=script)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.errors.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, file: Path, view: str = "") -> Any:
        """The page at ``view`` of ``file``."""
        self.page.goto(f"{file.as_uri()}#{view}" if view else file.as_uri())
        return self.page

    def faults(self) -> list[str]:
        """The serious and critical accessibility faults that axe-core finds in what is shown."""
        import axe_playwright_python

        source = (Path(axe_playwright_python.__path__[0]) / "axe.min.js").read_text(encoding="utf-8")
        self.page.evaluate("for (const one of document.querySelectorAll('.view:not(.shown)')) one.remove()")  # faster
        self.page.evaluate(source)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        self.page.goto("about:blank")
        return [
            f"{fault['id']}: {fault['nodes'][0]['html'][:160]} {fault['nodes'][0]['failureSummary']}"
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
