"""Log in as a person does: the Hub's way to the identity provider, the form on its page, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser

import httpx
from pydantic import SecretStr

from domain.errors import Refused
from systems.network import trust, unreachable

_HOME = "/hub/home"  # a page of the Hub that starts no server, which its own choice after a login does


@dataclass
class _Form:
    """A form of a page: where it is sent to, and its fields by name as (type, value)."""

    action: str
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)

    def filled(self, user: str, password: SecretStr | None) -> dict[str, str]:
        """What to send: the name where text is asked for, the password where one is, hidden fields as they are."""
        secret = password.get_secret_value() if password else ""
        values = {"text": user, "email": user, "password": secret}
        return {
            name: values.get(kind, value) for name, (kind, value) in self.fields.items() if kind in (*values, "hidden")
        }

    @property
    def asks_who(self) -> bool:
        return any(kind in ("text", "email") for kind, _ in self.fields.values())


def log_in(
    public_url: str, user: str, password: SecretStr | None = None, *, timeout: timedelta = timedelta(seconds=10)
) -> httpx.Client:
    """A client with the session of `user`, who logged in by SSO at the Hub's public address. Close it.

    The provider's page must be a plain form (Keycloak, Dex, AD FS); one that is made by a script, or asks for a second
    factor, is refused.

    Raises:
        Refused: the provider did not take the user, or the Hub did not let them in.
        Unreachable: the Hub or the provider did not answer.
    """
    client = httpx.Client(follow_redirects=True, timeout=timeout.total_seconds(), verify=trust())
    try:
        _come_in(client, public_url, user, password)
    except BaseException:
        client.close()
        raise
    return client


def _come_in(client: httpx.Client, public_url: str, user: str, password: SecretStr | None) -> None:
    page = _ask(client, "GET", f"{public_url}/hub/oauth_login", query={"next": _HOME})
    form = _form_of(page)
    landed = _ask(client, "POST", str(page.url.join(form.action)), form=form.filled(user, password))
    if not str(landed.url).startswith(f"{public_url}/"):
        raise _refused(landed, f"does not take {user}", "look at that account, and at the secret of its password")
    if landed.status_code != httpx.codes.OK or landed.url.path != httpx.URL(public_url + _HOME).path:
        raise _refused(landed, f"does not let {user} in", "look at the account's groups, and at the Hub's log")


def _ask(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    query: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
) -> httpx.Response:
    try:
        return client.request(method, url, params=query, data=form)
    except httpx.TooManyRedirects:
        step = "compare JUPYTERHUB_PUBLIC_URL with the address that people use"
        raise Refused(_thing(url), "sends the browser round and round", step, kind="login-failed") from None
    except httpx.TransportError as error:
        step = "look at the Hub and at SSO"
        raise unreachable(_thing(str(error.request.url)), error, kind="login-failed", next_step=step) from None


def _form_of(page: httpx.Response) -> _Form:
    """The form that asks who one is; what is written into it goes to the host of the page, and nowhere else."""
    if page.status_code != httpx.codes.OK:
        raise _refused(page, "shows no login page", "look at the Hub's OAuth client and at SSO")
    parser = _Forms()
    parser.feed(page.text)
    form = next((form for form in parser.forms if form.asks_who), None)
    if form is None:
        raise _refused(page, "shows no form that asks for a name", "leave `login` out of [health] of this environment")
    target = page.url.join(form.action)
    if (target.scheme, target.netloc) != (page.url.scheme, page.url.netloc):
        raise _refused(page, f"sends its form elsewhere, to {target.host}", "look at the provider")
    return form


def _refused(page: httpx.Response, cause: str, step: str) -> Refused:
    return Refused(_thing(str(page.url)), f"{cause} ({page.status_code})", step, kind="login-failed")


def _thing(url: str) -> str:
    """The host of an address: what follows may hold a code that lets somebody in."""
    return f"login at {httpx.URL(url).netloc.decode()}"


class _Forms(HTMLParser):
    """Every form of a page with its input fields."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(values.get("action", "")))
            self._open = True
        elif tag == "input" and self._open and values.get("name"):
            self.forms[-1].fields[values["name"]] = (values.get("type", "text").lower(), values.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "form"
