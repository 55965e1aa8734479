"""The documents: every file that one of them links to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted(
    path
    for part in ("spec", "reference", "models", "proofs", "tests")
    for path in (ROOT / part).rglob("*.md")
)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def missing(document: Path) -> list[str]:
    """What a document links to that is not there."""
    return [link for link in _LINK.findall(document.read_text()) if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_links_to_is_there(document: Path) -> None:
    """Relative to the document, as a reader's browser takes it."""
    assert not missing(document)


def test_a_link_to_nothing_is_seen(tmp_path: Path) -> None:
    """With a part of a page after it, too; a link within the page, or elsewhere, is none of ours."""
    document = tmp_path / "page.md"
    document.write_text("[a](page.md#top) [b](#top) [c](https://example.org/x) [d](gone.md#top)")
    assert missing(document) == ["gone.md"]
