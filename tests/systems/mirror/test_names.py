"""Names are escaped reversibly, and stay themselves where they can."""

from __future__ import annotations

import stat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from systems.mirror.names import KEY_LIMIT, escape, key_of, unescape

tricky = st.lists(st.sampled_from([b"%", b"0", b"A", b"f", b"\n", b"\\", b"\xff", b"\xef\xbf", b"\xbe", b"\xc3\xa9"]))
paths = st.one_of(st.binary(), tricky.map(b"".join))


@given(paths)
@example(b"%0A")
@example(b"%4\xff1")
def test_an_escaped_name_gives_its_bytes_back(path: bytes) -> None:
    assert unescape(escape(path)) == path


@given(paths)
def test_an_escaped_name_can_be_listed_by_any_store(path: bytes) -> None:
    text = escape(path)
    assert text.encode().decode() == text
    assert not any(c < " " or c in "\x7f\\\ufffe\uffff" for c in text)


@given(paths, paths)
def test_two_names_never_share_a_key(one: bytes, other: bytes) -> None:
    keys = key_of("user-data", one * 300, stat.S_IFREG), key_of("user-data", other, stat.S_IFREG)
    assert (keys[0] == keys[1]) == (one * 300 == other)
    assert all(len(key.encode()) <= KEY_LIMIT for key in keys)


@pytest.mark.parametrize("name", ["notes.ipynb", "100%", "Übersicht Q3 (final).xlsx", "a+b=c", "%zz"])
def test_an_ordinary_name_is_its_own_key(name: str) -> None:
    assert key_of("user-data", f"ana/{name}".encode(), stat.S_IFREG) == f"user-data/ana/{name}"
