"""Who may ask, and how a no is told: bearer tokens by user type, errors as problem+json (RFC 9457)."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal, get_args

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from domain.errors import Refused

UserType = Literal["business-user", "data-scientist", "platform"]


def read_tokens(text: str) -> dict[str, UserType]:
    """The tokens of $RISK_API_TOKENS, a JSON object `{token: user type}`.

    Raises:
        Refused: it is missing or malformed; the message never holds a token.
    """
    thing, next_step = "variable RISK_API_TOKENS", "set it to JSON such as {TOKEN: 'platform'} and start again"
    try:
        tokens = json.loads(text or "{}")
    except json.JSONDecodeError:
        raise Refused(thing, "it is not JSON", next_step) from None
    if not isinstance(tokens, dict) or not tokens:
        raise Refused(thing, "it names no token", next_step)
    if not set(tokens.values()) <= set(get_args(UserType)):
        raise Refused(thing, f"user types are {', '.join(get_args(UserType))}", next_step)
    return tokens


class Authentication:
    """A dependency that lets only known tokens in."""

    def __init__(self, tokens: Mapping[str, UserType]) -> None:
        self._tokens = {token.encode(): user_type for token, user_type in tokens.items()}

    def __call__(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        user_type = self._user_type(given) if scheme.lower() == "bearer" else None
        if user_type is None:
            detail = "Send the token of your user type: Authorization: Bearer TOKEN"
            raise HTTPException(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})
        request.state.user_type = user_type

    def _user_type(self, given: str) -> UserType | None:
        matches = [kind for token, kind in self._tokens.items() if hmac.compare_digest(token, given.encode())]
        return matches[0] if matches else None


def tell_problems(app: FastAPI) -> None:
    """Every error leaves as problem+json."""

    def from_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, StarletteHTTPException)  # noqa: S101 - the handler is registered for it alone
        return problem(error.status_code, str(error.detail), error.headers)

    def from_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - the handler is registered for it alone
        faults = (f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors())
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(faults))

    app.add_exception_handler(StarletteHTTPException, from_http)
    app.add_exception_handler(RequestValidationError, from_validation)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One problem document."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), "detail": detail}
    return JSONResponse(content, status, dict(headers or {}), media_type="application/problem+json")
