"""Words that came from elsewhere: user and file names, messages of other programs."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """`text` with what ends a line or turns it around as visible escapes: nothing in it moves what stands around it."""
    return "".join(
        character.encode("unicode_escape").decode() if _moves(unicodedata.category(character)) else character
        for character in text
    )


def _moves(category: str) -> bool:
    """Control and direction characters, separators of lines and paragraphs."""
    return category[0] == "C" or category in ("Zl", "Zp")
