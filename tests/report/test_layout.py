"""The report as a browser lays it out."""

import pytest

from tests.support.browser import CHROMIUM, browser_page

OVERFLOWING = """() => [...document.querySelectorAll("th, td")]
  .filter((cell) => cell.clientWidth > 1 && cell.scrollWidth > cell.clientWidth)
  .map((cell) => `${cell.innerText}: ${cell.scrollWidth} in ${cell.clientWidth} pixels`)"""
SCREENS = "document.documentElement.scrollWidth / document.documentElement.clientWidth"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", [390, 700, 1100, 1600])
def test_nothing_runs_out_of_its_cell_or_off_the_screen(width, html):
    """A title that is wider than its column would stand on its neighbor's."""
    with browser_page(width=width) as page:
        page.set_content(html)
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate(SCREENS) == 1
