"""Words that came from elsewhere (user and file names, messages of other programs), and bytes in words."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """`text` with what ends a line or turns it around as visible escapes: nothing in it moves what stands around it."""
    return "".join(
        character.encode("unicode_escape").decode() if _moves(unicodedata.category(character)) else character
        for character in text
    )


def size(number: float) -> str:
    """Bytes as people say them: 12 KiB, 512 MiB, 4.0 GiB."""
    if abs(number) >= 2**30:
        return f"{number / 2**30:.1f} GiB"
    return f"{number / 2**20:.0f} MiB" if abs(number) >= 2**20 or not number else f"{number / 2**10:.0f} KiB"


def _moves(category: str) -> bool:
    """Control and direction characters, separators of lines and paragraphs."""
    return category[0] == "C" or category in ("Zl", "Zp")
