"""File names as object keys and back: any bytes a file system allows, reversibly.

A name is its own key wherever S3 and the tools around it can hold it. What they cannot is written `%XX`:
bytes that are no UTF-8, control characters and U+FFFE, U+FFFF (no XML listing can carry them), the backslash
(some stores take it for a slash), the dot of a final `.versions` (SeaweedFS keeps versions under such names and
does not list what is below) and a per cent sign that two hex digits follow. A path whose key would be too long
is filed under the SHA-256 of its bytes; the manifest has the original.
"""

from __future__ import annotations

import hashlib
import re
import stat

KEY_LIMIT = 1024
SEGMENT_LIMIT = 255  # what a file system can hold: `aws s3 sync` must be able to bring every key back

_TO_ESCAPE = re.compile(rb"[\x00-\x1f\x7f\\]|%(?=[0-9A-Fa-f]{2})|\xef\xbf[\xbe\xbf]|\.(?=versions(?:/|\Z))")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
# An escaped slash: no name holds a slash, so no name is ever written like this.
_TOO_LONG = "%2F"


def escape(path: bytes) -> str:
    """`path` as text that S3 keys, XML, JSON and terminals can hold. Slashes stay slashes."""
    escaped = _TO_ESCAPE.sub(_percent, path)
    try:
        return escaped.decode()
    except UnicodeDecodeError:
        text = escaped.decode("utf-8", "surrogateescape")
        return _NOT_UTF8.sub(lambda found: f"%{ord(found.group()) - 0xDC00:02X}", text)


def unescape(text: str) -> bytes:
    """The bytes that `escape` was given."""
    return _ESCAPED.sub(lambda found: bytes([int(found.group(1), 16)]), text.encode())


def key_of(prefix: str, path: bytes, mode: int) -> str:
    """The key of the entry at `path` (relative, b"" for the root) with `st_mode` `mode`; folders end in a slash."""
    name = escape(path)
    if len(prefix.encode()) + len(name.encode()) + 2 > KEY_LIMIT or any(
        len(segment.encode()) > SEGMENT_LIMIT for segment in name.split("/")
    ):
        name = _TOO_LONG + hashlib.sha256(path).hexdigest()
    key = f"{prefix}/{name}" if name else prefix
    return f"{key}/" if stat.S_ISDIR(mode) else key


def _percent(found: re.Match[bytes]) -> bytes:
    return b"".join(b"%%%02X" % byte for byte in found.group())
