"""Who may ask: pages and hosts that are not foreign, and, where there are tokens, whoever has one."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import stat
from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from monai_degia.errors import UserError
from monai_degia.label_app.server.refusals import RefusedRequest

__all__ = ["AccessGuard", "AccessRules", "read_tokens"]

logger = logging.getLogger(__name__)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SHORTEST = 16  # characters of a token


@dataclass(frozen=True)
class AccessRules:
    """What the head of a request must be before anything else looks at it.

    A page that is open in a browser can send requests to this machine, and a name of its own can be made to point at it
    (DNS rebinding). Both show in headers that a page cannot change: ``Origin`` and ``Sec-Fetch-Site``, and ``Host``.

    Args:
        hosts: names under which the server may be asked for, beside those of this machine itself.
        origins: pages from elsewhere that may use it, such as ``http://viewer:3000``.
        tokens: one of them must come with each request; none asks for nothing.

    """

    hosts: Collection[str] = ()
    origins: Collection[str] = ()
    tokens: Collection[str] = ()

    def check(self, method: str, headers: Mapping[str, str]) -> None:
        """Refuse what is foreign.

        Raises:
            RefusedRequest: 403 for a foreign host or page, 401 without a token.

        """
        host = headers.get("host", "")
        name = _name(host)
        if name not in LOOPBACK and name not in {host.lower() for host in self.hosts}:
            raise RefusedRequest(
                f"This server is not asked for as {host[:80]!r}. If that is its name, start it with --conf allow_hosts "
                "NAME.",
                403,
            )
        self._check_page(method, host, headers)
        if self.tokens and not self._has_token(headers.get("authorization", "")):
            raise RefusedRequest("This server needs a token: Authorization: Bearer TOKEN.", 401)

    def _check_page(self, method: str, host: str, headers: Mapping[str, str]) -> None:
        origin = headers.get("origin")
        if origin is not None and origin.rstrip("/") in self.origins:
            return
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise RefusedRequest(
                f"Pages of {origin[:80]!r} may not use this server. If they should, start it with --conf allow_origins "
                "ORIGIN.",
                403,
            )
        # A picture or a frame that a foreign page embeds comes without an origin; following a link is no harm.
        followed = method in ("GET", "HEAD") and headers.get("sec-fetch-dest") == "document"
        if origin is None and not followed and headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            raise RefusedRequest("Another page may not embed what this server has.", 403)

    def _has_token(self, authorization: str) -> bool:
        kind, _, given = authorization.partition(" ")
        if kind.lower() == "basic":  # for clients that know names and passwords alone
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif kind.lower() != "bearer":
            return False
        # Each comparison takes the same time, whatever is right of the token.
        return any(hmac.compare_digest(token.encode(), given.strip().encode()) for token in self.tokens)


class AccessGuard:
    """ASGI middleware that asks :class:`AccessRules` first, before CORS and whatever else a server has."""

    def __init__(self, app: Any, rules: AccessRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or answer with the reason why not."""
        if scope["type"] == "websocket":  # MONAI Label has none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            try:
                self.rules.check(scope["method"], Headers(scope=scope))
            except RefusedRequest as error:
                asked = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
                await JSONResponse({"detail": str(error)}, error.status, asked)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def read_tokens(file: str | Path) -> tuple[str, ...]:
    """The tokens of a file: one a line, behind the name of whoever has it if there are two words.

    Raises:
        ValueError: if there is no such file, no token in it, or one is shorter than 16 characters.

    """
    path = Path(file).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        shared = path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--conf token_file {path} cannot be read: {error}") from None
    tokens = tuple(line.split()[-1] for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not tokens:
        raise UserError(
            f"--conf token_file {path} holds no token: write one a line, such as of `openssl rand -hex 16`."
        )
    if any(len(token) < _SHORTEST for token in tokens):
        raise UserError(f"A token in {path} has fewer than {_SHORTEST} characters, and could be guessed.")
    if shared:
        logger.warning(f"{path} can be read by others on this machine, who can use the tokens: chmod 600 it.")
    return tokens


def _name(host: str) -> str:
    """The name in a ``Host`` header, without port and brackets, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
