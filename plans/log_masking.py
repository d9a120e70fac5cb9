"""Log lines without what nobody may read twice: secrets masked, terminal escapes gone. Pure.

Lines are written by programs that quote whatever they were sent (tornado logs a refused URL whole, with its `code` and
`state`; JupyterHub scrubs its access lines only). So a secret is known by the name before it, by the scheme before it,
by its form, or because it is one of ours. Too much is masked rather than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from domain.text import visible

MASK = "[masked]"
LONGEST_SAMPLE = 240
LONGEST_MESSAGE = 160

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|\x9b[0-?]*[ -/]*[@-~]")
_QUOTE = r"\\*[\"']"
# To a quote, or to what ends a value in a query, a list or a sentence; %26 is the `&` of a URL inside a URL.
_VALUE = r"(?:b?\\*\"(?:[^\"\\]|\\.)*|b?\\*'(?:[^'\\]|\\.)*|(?:(?!%26)[^\s&;,\"')])+)"
_SEPARATOR = rf"(?:{_QUOTE})?\s*(?:=>|[=:]|%3D)\s*"
_LONG_NAME = (
    r"[\w.-]{0,40}(?:token|secret|passw(?:or)?d|passphrase|passwd|pwd|api[_-]?key|access[_-]?key(?:[_-]?id)?|crypt[_-]?key"
    r"|private[_-]?key|credentials?|signature|session(?:[_-]?id)?|xsrf|csrf|verifier|challenge|assertion|cookie"
    r"|oauth-state)[\w-]{0,20}"
)
_SHORT_NAME = r"(?:(?<![\w-])|(?<=%3F)|(?<=%26))(?:code|state|state_id|nonce|key|sig|auth|pass|sid|jwt|ticket)"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for pattern, replacement in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", MASK),
        # a cookie's value is quoted itself, so nothing but the end of the line ends the header
        (
            rf"((?:authorization|(?:set-)?cookie|x-[\w-]*token|x-api-key)(?:{_QUOTE})?\s*[:=]\s*(?:{_QUOTE})?).+",
            rf"\1{MASK}",
        ),
        (r"(://)[^\s\"'<>]{0,512}@", rf"\1{MASK}@"),
        (rf"({_LONG_NAME}{_SEPARATOR}){_VALUE}", rf"\1{MASK}"),
        (rf"({_SHORT_NAME}(?:=|%3D)){_VALUE}", rf"\1{MASK}"),
        (rf"({_SHORT_NAME}{_QUOTE}\s*:\s*){_VALUE}", rf"\1{MASK}"),
        (r"(\b(?:bearer|basic|negotiate)\s+)[\w+/.=~-]+", rf"\1{MASK}"),
        (r"(\btoken\s+)(?=\S*\d|\S{16})[\w+/.=~-]{6,}", rf"\1{MASK}"),
        (r"(OAuth state mismatch:|oauth state argument) .*", rf"\1 {MASK}"),  # the Hub's and the server's quote both
        (r"\beyJ[\w-]{5,}(?:\.[\w-]*)*", MASK),
        (r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA)[A-Z0-9]{12,}", MASK),
    )
)
_RUN = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_PLAIN_RUN = re.compile(r"[A-Za-z0-9]{20,}")

_USERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(/users?/)[^/\s?]+"), r"\1USER"),
    (re.compile(r"\([^()@\s]*@(?=[\d.:a-f]+\))"), "(USER@"),
    (re.compile(r"((?:login for|User|user) )(['\"]).*?\2"), r"\1USER"),
    (re.compile(r"\S{1,64}(?='s server)"), "USER"),
    (re.compile(r"(for user )\"[^\"]*\""), r"\1USER"),
)
_SAME: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\?\S*"), ""),
    (
        re.compile(r"(\b(?:Pod|Node|PersistentVolumeClaim|ReplicaSet|Deployment|StatefulSet|Job)/)\S+?(?=:?\s|$)"),
        r"\1…",
    ),
    (re.compile(r"(/user/USER(?:/[\w-]+){0,2})/\S*"), r"\1/…"),
    (re.compile(r"(\b[Uu]ser )(?!USER)[^\s:,()]+(?=[ ,]|$)"), r"\1USER"),
    (re.compile(r"(?<!\w)(['\"]).*?\1"), "'…'"),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?"), "IP"),
    (re.compile(r"(Permission denied: |Not authorizing access to )\S.*"), r"\1…"),
    (re.compile(r" [\d.]+ms$"), ""),
    (re.compile(r"(?<=\D)\d+(?:\.\d+)?(?=\D|$)"), "N"),
)
_STATUS = re.compile(r"^[1-5]\d\d (?=[A-Z]+ )")


def plain(text: str) -> str:
    """`text` without terminal escapes: with their colours configurable-http-proxy splits its own words."""
    return _ESCAPES.sub("", text)


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with every secret in it as `[masked]`, on one line that no terminal obeys.

    `secrets`: values that are known to be some, whatever they look like; the longest first.
    """
    text = plain(text)
    for secret in secrets:
        text = text.replace(secret, MASK)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return visible(_RUN.sub(_random, text))


def without_users(text: str) -> str:
    """`text` with names of users as USER. What was typed as a name is now and then a password."""
    for pattern, replacement in _USERS:
        text = pattern.sub(replacement, text)
    return text


def message_of(text: str) -> str:
    """What a masked line says, the same for every user, address, time and figure."""
    status = _STATUS.match(text)
    begin = status.group() if status else ""
    text = without_users(text[len(begin) :])
    for pattern, replacement in _SAME:
        text = pattern.sub(replacement, text)
    return cut(begin + text, LONGEST_MESSAGE)


def cut(text: str, longest: int) -> str:
    """At most `longest` characters of `text`; an ellipsis says that there was more."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _random(match: re.Match[str]) -> str:
    """A long run of letters and digits as no word and no path has them."""
    run = match.group()
    mixed = any(map(str.isupper, run)) and any(map(str.islower, run))
    if len(run) >= 32 and mixed and re.search(r"[0-9+=]", run):
        return MASK
    return _PLAIN_RUN.sub(lambda part: MASK if _letters_and_digits(part.group()) else part.group(), run)


def _letters_and_digits(run: str) -> bool:
    return any(map(str.isdigit, run)) and any(map(str.isalpha, run))
