from __future__ import annotations

from moorage.settings.reference import page
from tests.rules.source import ROOT

PAGE = ROOT / "docs" / "reference" / "configuration.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.settings.test_reference"


if __name__ == "__main__":
    PAGE.write_text(page())
