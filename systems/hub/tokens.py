"""Tokens of users: a drill needs one to be its owner for a few minutes, and who leaves must have none."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from domain.clock import UtcDatetime
from domain.errors import Failed, Refused
from domain.people import Token
from environments.settings import HubSettings
from systems.hub.api import HubApi, segment, user_path

_WITNESS = timedelta(minutes=5)
_ROUNDS = 3  # somebody who is logged in may make another one meanwhile


class _TokenModel(BaseModel):
    model_config = ConfigDict(frozen=True)  # the Hub's own shape: keys we do not read are its business
    id: str
    note: str | None = None
    last_activity: UtcDatetime | None = None


class _TokensModel(BaseModel):
    model_config = ConfigDict(frozen=True)
    api_tokens: tuple[_TokenModel, ...]


def as_user(hub: HubSettings, user: str, *, lifetime: timedelta, note: str) -> HubSettings:
    """The Hub as `user` sees it: asked with a new token of theirs, which ends after `lifetime`.

    Raises:
        Refused: our own token may not make one, or the Hub takes the new one for somebody else's.
        Unreachable: see `HubApi`.
    """
    body = {"note": note, "expires_in": int(lifetime.total_seconds())}
    with HubApi(hub) as api:
        token = api.make(f"{user_path(user)}/tokens", body)["token"]
    theirs = hub.model_copy(update={"api_token": SecretStr(token)})
    with HubApi(theirs) as api:
        found = api.get("/user")["name"]
    if found != user:
        raise Refused(f"token of {user}", f"the Hub takes it for {found}'s", "look at the users' names in the Hub")
    return theirs


def with_people_token(hub: HubSettings) -> HubSettings:
    """The Hub as departures ask it: it takes that token to revoke anybody's, and to remove anybody.

    Raises:
        Refused: it is not set here.
    """
    if hub.people_token is None:
        cause = "it is not set here: the ordinary token neither revokes tokens nor removes users"
        step = "set it in on-call's terminal, where a departure is run: docs/on-call/leaver.md"
        raise Refused("JUPYTERHUB_PEOPLE_TOKEN", cause, step)
    return hub.model_copy(update={"api_token": hub.people_token})


def has_auth_state(hub: HubSettings, user: str) -> bool:
    """Does the Hub itself decrypt the user's auth_state? It needs the scope admin:auth_state."""
    with HubApi(hub) as api:
        found = api.get(user_path(user))
    return bool(found and found.get("auth_state"))


def list_tokens(hub: HubSettings, user: str) -> tuple[Token, ...]:
    """The user's tokens, those of their servers and sessions included; none where the Hub does not know the user.

    Raises:
        Refused: it needs the scope read:tokens.
    """
    with HubApi(hub) as api:
        return _tokens(api, user)


def revoke_tokens(hub: HubSettings, user: str) -> tuple[Token, ...]:
    """Revoke every token of the user and prove it; those that were revoked. Needs the scope tokens.

    A token of theirs that is made for this, and that the Hub takes, is refused by it afterwards, and it lists none.

    Raises:
        Failed: it still takes that token, or lists others.
        Refused, Unreachable: see `HubApi`; some may be revoked.
    """
    witness = as_user(hub, user, lifetime=_WITNESS, note="riskhub: a leaver's tokens are proved dead by this one")
    revoked: dict[str, Token] = {}
    with HubApi(hub) as api:
        for _ in range(_ROUNDS):
            found = _tokens(api, user)
            for token in found:  # to revoke one of an OAuth client revokes all of it: 404 is fine
                path = f"{user_path(user)}/tokens/{segment(token.id)}"
                api.change("DELETE", path, accept=(HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND))
                revoked[token.id] = token
            if not found:
                break
        left = _tokens(api, user)
    if left or _takes(witness):
        cause = f"the Hub still lists {len(left)} of them" if left else "the Hub still takes one that was revoked"
        raise Failed(f"tokens of {user}", cause, "read the Hub's log, then run again")
    return tuple(revoked.values())


def _tokens(api: HubApi, user: str) -> tuple[Token, ...]:
    answer = api.get(f"{user_path(user)}/tokens")
    if answer is None:
        return ()
    try:
        listed = _TokensModel.model_validate(answer).api_tokens
    except ValidationError:
        step = "check that the Hub's version is supported (6.x)"
        raise Refused(api.thing, "lists tokens as no known Hub does", step) from None
    return tuple(Token(each.id, each.note or "", each.last_activity) for each in listed)


def _takes(hub: HubSettings) -> bool:
    """Does the Hub take the token of these settings?"""
    try:
        with HubApi(hub) as api:
            api.get("/user")
    except Refused as error:
        if error.kind != "token-rejected":
            raise
        return False
    return True
