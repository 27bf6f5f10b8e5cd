"""The distribution's Chromium without a window, driven by Playwright."""

import contextlib
import shutil

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def browser_page(*, width, **context):
    """A page on a screen of that width, in pixels; the browser ends with the block."""
    with sync_playwright() as playwright:
        # It opens pages of ours alone, and containers allow no sandbox.
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        screen = {"viewport": {"width": width, "height": 844}, "is_mobile": width < 600}
        yield chromium.new_context(**screen, **context).new_page()
        chromium.close()
