"""Words that came from elsewhere: user and file names, messages of other programs."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """`text` with control and direction characters as visible escapes: nothing in it moves what stands around it."""
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character)[0] == "C" else character
        for character in text
    )
