"""No secret of a log line is left in what is kept of it, whatever stands around it."""

from __future__ import annotations

import base64
import json
import re
import string
import time
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plans.log_masking import masked, message_of, without_users

HEX = st.text("0123456789abcdef", min_size=32, max_size=64).filter(lambda s: not s.isdigit() and not s.isalpha())
WORD = st.text(string.ascii_letters + string.digits + "-_.~", min_size=8, max_size=44)
BASE64 = st.binary(min_size=30, max_size=60).map(lambda raw: base64.b64encode(raw).decode())
AROUND = st.text(string.printable.replace("\x0b", "").replace("\x0c", ""), max_size=30)

NAMED = (
    "GET /hub/oauth_callback?code={} (127.0.0.1)",
    "GET /hub/oauth_callback?x=1&state={}&y=2",
    "GET /hub/login?next=%2Fhub%2Foauth_callback%3Fcode%3D{}%26y%3D2",
    "GET /user/dina/api/contents?token={}",
    "https://s3.example.org/b/k?X-Amz-Credential=c&X-Amz-Security-Token={}&X-Amz-Signature=0",
    "https://s3.example.org/b/k?X-Amz-Signature={}",
    "Authorization: token {}",
    "Authorization: Bearer {}",
    '"Authorization": "token {}",',
    "{{'authorization': 'Basic {}', 'Host': 'hub'}}",
    "Rejecting API request from: token 0{}",
    'Cookie: jupyterhub-hub-login="2|1:0|10:1700000000|19:x|8:{}|0"; _xsrf=1',
    "Set-Cookie: jupyterhub-session-id={}; Path=/",
    '      "Cookie": "_xsrf=1; token={}"',
    "connection to postgresql://hub:{}@10.0.0.5/hub failed",
    "connection to postgresql://hub:p@ss{}@10.0.0.5/hub failed",
    '{{"password": "{}", "user": "hub"}}',
    '{{\\"api_token\\": \\"{}\\"}}',
    "user=hub password={} host=10.0.0.5",
    "client_secret={}&grant_type=authorization_code",
    "JUPYTERHUB_API_TOKEN={}",
    "{{'name': 'JUPYTERHUB_API_TOKEN', 'password': b'{}'}}",
    "AWS_SECRET_ACCESS_KEY: {}",
    "oauth state argument '1' != cookie jupyterhub-oauth-state='{}'",
)


@pytest.mark.parametrize("form", NAMED)
@given(secret=WORD, before=AROUND)
def test_what_a_name_calls_a_secret_is_masked(form: str, secret: str, before: str) -> None:
    assume(secret not in before and secret not in form)
    kept = masked(f"{before} {form.format(secret)}")
    assert "[masked]" in kept
    assert secret not in kept


@given(secret=HEX | BASE64, before=st.sampled_from((" ", "'", "(", "[", ",", "\t")), after=st.sampled_from(" ',)]"))
def test_a_long_random_word_is_masked_though_nothing_names_it(secret: str, before: str, after: str) -> None:
    assume(len(secret) >= 32 and re.search(r"\d", secret))
    assert secret.rstrip("=") not in masked(f"it was{before}{secret}{after}and more")


@given(payload=st.dictionaries(WORD, WORD, min_size=1), signature=BASE64)
def test_a_jwt_and_an_aws_key_are_masked(payload: dict[str, str], signature: str) -> None:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({"a": "b"}, payload)]
    jwt = ".".join([*parts, quote(signature, safe="").replace("%", "_")])
    kept = masked(f"got {jwt} from AKIAIOSFODNN7EXAMPLE, then ASIAQWERTYUIOPASDFGH")
    assert kept == "got [masked] from [masked], then [masked]"


@given(secret=st.text(min_size=6, max_size=40).filter(str.strip), around=AROUND)
def test_a_secret_of_our_own_is_masked_whatever_it_looks_like(secret: str, around: str) -> None:
    assume(secret not in around and secret not in f"{around}[masked]{around}")
    assert secret not in masked(f"{around}{secret}{around}", [secret])


def test_colours_within_a_word_do_not_hide_a_secret() -> None:
    assert masked("GET /x?to\x1b[32mken=ab\x1b[0mc12\x1b]0;title\x07345") == "GET /x?token=[masked]"


@given(st.text(max_size=200))
def test_no_terminal_and_no_page_obeys_what_is_kept(text: str) -> None:
    kept = masked(f"\x1b[31m{text}\x1b]8;;http://evil\x07\r\n\u202e\x9b31m\x00")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", kept)


def test_what_is_no_secret_stays() -> None:
    lines = (
        "403 GET /hub/api/users (127.0.0.1) 3.40ms",
        "Not authorizing access to /hub/api/users. Requires any of [list:users] on *",
        "503 GET /user/ana/api/status connect ECONNREFUSED 127.0.0.1:38507",
        "Unhandled error starting bea's server: [Errno 17] File exists: '/srv/efs/user-data/bea'",
        "403 PUT /user/dina/api/contents/risk-2026-11/limits.ipynb (10.0.0.7): Permission denied: limits.ipynb",
        "FailedScheduling Pod/jupyter-dina: 0/3 nodes are available: 3 Insufficient memory.",
        "User ana server stopped, with exit code: -9",
    )
    assert [masked(line) for line in lines] == list(lines)


def test_lines_of_the_same_kind_are_one_message_for_every_user_and_figure() -> None:
    same = {
        message_of(masked(f"403 PUT /user/{user}/api/contents/{path} (10.0.0.{n}): Permission denied: {path}"))
        for n, (user, path) in enumerate((("ana", "a.txt"), ("fred.o'neil@example.org", "x/y%20z.ipynb")))
    }
    assert same == {"403 PUT /user/USER/api/contents/… (IP): Permission denied: …"}
    assert message_of("User ana server stopped, with exit code: -9") == "User USER server stopped, with exit code: -N"


def test_a_name_that_was_typed_is_left_out() -> None:
    assert without_users("Failed login for 'hunter2'") == "Failed login for USER"
    assert without_users('Failed login for "o\'neil"') == "Failed login for USER"
    assert (
        without_users("403 GET /hub/api/users/ana (ana@10.0.0.7) 1.00ms")
        == "403 GET /hub/api/users/USER (USER@10.0.0.7) 1.00ms"
    )


@pytest.mark.parametrize(
    "part", ["token", "://", "\\", "'", '"', "a", "=", "%3D", "/user/", "\x1b[", "'s server", "A1", ": "]
)
def test_no_line_takes_long(part: str) -> None:
    began = time.process_time()
    message_of(masked(part * (4096 // len(part))))
    assert time.process_time() - began < 2
