"""Who may ask: foreign hosts and pages are refused, and requests without a token where there are some."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from monai_degia.label_app.server.access import AccessGuard, AccessRules, read_tokens
from monai_degia.label_app.server.refusals import RefusedRequest

OWN = {"host": "127.0.0.1:8000"}
TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "hands.example:8000"])
def test_names_of_this_server_pass(host: str) -> None:
    AccessRules(hosts=["hands.example"]).check("GET", {"host": host})


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "[", ""]
)
def test_a_name_that_somebody_made_point_here_is_refused(host: str) -> None:
    """DNS rebinding: the page and the server then have one name, and so one origin."""
    with pytest.raises(RefusedRequest, match=r"is not asked for as.*--conf allow_hosts NAME") as error:
        AccessRules().check("GET", {"host": host, "origin": f"http://{host}"})
    assert error.value.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://viewer:3000"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"},
        {"origin": "http://viewer:3000", "sec-fetch-site": "cross-site"},
    ],
)
def test_programs_own_pages_and_allowed_ones_pass(headers: dict[str, str]) -> None:
    AccessRules(origins=["http://viewer:3000"]).check("GET", {**OWN, **headers})


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "http://localhost:8000"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "same-site", "sec-fetch-dest": "iframe"},
        {"sec-fetch-site": "cross-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_foreign_pages_are_refused(headers: dict[str, str], method: str) -> None:
    """Also those of another port of this machine, and what they embed without saying where from."""
    with pytest.raises(RefusedRequest) as error:
        AccessRules(origins=["http://viewer:3000"]).check(method, {**OWN, **headers})
    assert error.value.status == 403
    with pytest.raises(RefusedRequest):  # a link may be followed, a form may not be sent
        AccessRules().check("POST", {**OWN, "sec-fetch-site": "cross-site", "sec-fetch-dest": "document"})


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(TOKEN), basic("second token...")]
)
def test_a_token_opens(authorization: str) -> None:
    AccessRules(tokens=[TOKEN, "second token..."]).check("GET", {**OWN, "authorization": authorization})


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer x", TOKEN, f"Digest {TOKEN}", f"Bearer {TOKEN[:-1]}", basic("x"), "Basic %%%", "Basic /w=="],
)
def test_nothing_else_does(authorization: str) -> None:
    with pytest.raises(RefusedRequest, match="needs a token") as error:
        AccessRules(tokens=[TOKEN]).check("GET", {**OWN, "authorization": authorization})
    assert error.value.status == 401


def answer(rules: AccessRules, kind: str, **headers: str) -> list[dict[str, Any]]:
    """What a server behind the guard sends, 204 if it was asked."""
    sent: list[dict[str, Any]] = []

    async def server(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "method": "GET", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(AccessGuard(server, rules)(scope, None, send))
    return sent


def test_the_guard_answers_in_the_server_s_place() -> None:
    rules = AccessRules(tokens=[TOKEN])
    assert answer(rules, "http", **OWN, authorization=f"Bearer {TOKEN}")[0]["status"] == 204
    start, body = answer(rules, "http", **OWN)
    assert start["status"] == 401 and (b"www-authenticate", b"Bearer") in start["headers"]
    assert b"needs a token" in body["body"]
    start, _ = answer(rules, "http", host="evil.example", authorization=f"Bearer {TOKEN}")
    assert start["status"] == 403 and not any(name.startswith(b"access-control") for name, _ in start["headers"])
    assert answer(rules, "websocket", **OWN) == [{"type": "websocket.close", "code": 1008}]
    assert answer(rules, "lifespan")[0]["status"] == 204


def test_tokens_come_from_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tokens.txt"
    path.write_text(f"# who may ask\nada {TOKEN}\n\nfedcba9876543210\n")
    path.chmod(0o600)
    assert read_tokens(path) == (TOKEN, "fedcba9876543210") and not caplog.text
    path.chmod(0o644)
    read_tokens(path)
    assert "can be read by others" in caplog.text
    for text, reason in (("", "holds no token"), ("ada short", "fewer than 16 characters")):
        path.write_text(text)
        with pytest.raises(ValueError, match=reason):
            read_tokens(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read_tokens(tmp_path / "none.txt")
