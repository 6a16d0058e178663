"""Bearer tokens of OAuth clients (RFC 6749, section 4.4), renewed before they end."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx
from authlib.oauth2 import OAuth2Client, OAuth2Error

from headgate.errors import Fatal
from headgate.sources.credentials import Access, what_to_set
from headgate.sources.model import Provider, Unavailable
from headgate.sources.patience import named_wait

if TYPE_CHECKING:
    from authlib.oauth2.rfc6749 import OAuth2Token

EARLY = 60.0  # seconds before its end that a token is renewed, by the wall clock: machines sleep
_FOR_LATER = ("temporarily_unavailable", "server_error", "slow_down")  # errors that pass by themselves


class Tokens:
    """A provider's tokens, one a scope. May be shared by threads.

    ``access`` is read for each new token, so that rotated credentials are taken up. A refused client is not
    tried again with the same credentials.
    """

    def __init__(self, provider: Provider, access: Callable[[], Access]) -> None:
        self._provider, self._access = provider, access
        self._tokens: dict[str, OAuth2Token] = {}
        self._refused: dict[tuple[str, str, str], Fatal] = {}
        self._lock = Lock()

    def header(self, scope: str) -> str:
        """``Bearer …`` for a scope. ``Fatal``: our client is refused; ``Unavailable``: nobody answers."""
        with self._lock:
            token = self._tokens.get(scope)
            if token is None or token.is_expired(leeway=_leeway(token)):
                token = self._tokens[scope] = self._fetch(scope)
            return f"Bearer {token['access_token']}"

    def forget(self, scope: str, header: str) -> None:
        """The provider refused this header: the next is a new one, unless another thread has it by now."""
        with self._lock:
            token = self._tokens.get(scope)
            if token is not None and header == f"Bearer {token['access_token']}":
                del self._tokens[scope]

    def _fetch(self, scope: str) -> OAuth2Token:
        access = self._access()
        tried = (scope, access.secret("client_id"), access.secret("client_secret"))
        if tried in self._refused:
            raise self._refused[tried]
        try:
            return self._ask(access, scope)
        except Fatal as error:
            self._refused[tried] = error
            raise

    def _ask(self, access: Access, scope: str) -> OAuth2Token:
        try:
            with httpx.Client(timeout=30, event_hooks={"response": [self._look]}) as session:
                client = OAuth2Client(session, scope=scope or None)
                token = client.fetch_token(
                    access.host("id") + self._provider.token_path,
                    grant_type="client_credentials",
                    client_id=access.secret("client_id"),
                    client_secret=access.secret("client_secret"),
                    auth=httpx.Auth(),  # both stand in the form
                )
        except OAuth2Error as error:
            raise self._refusal(error) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # nobody there, or no JSON
            raise Unavailable(self._told(access.hidden(_in_words(error)))) from None
        if not re.fullmatch("[!-~]+", str(token.get("access_token") or "")):  # what a header can hold
            raise Unavailable(self._told("an answer without a token"))
        return token

    def _look(self, response: httpx.Response) -> None:
        """Before the answer is read as one about the client."""
        if response.status_code == 429 or response.status_code >= 500:
            told = self._told(f"status {response.status_code}")
            raise Unavailable(told, named_wait(response.headers))

    def _refusal(self, error: Any) -> Exception:
        """By the error's code, as a description might repeat what was sent."""
        code = re.sub(r"[^a-z_]", "", str(error.error).lower())[:60]
        if code in _FOR_LATER:
            return Unavailable(self._told(code))
        return Fatal(f"{self._provider.title} refuses our client ({code}): {what_to_set(self._provider)}")

    def _told(self, what: str) -> str:
        return f"{self._provider.title} gives no token: {what}"


def _leeway(token: OAuth2Token) -> float:
    """Of a token that lives shortly its half, else every call would ask for one."""
    return min(EARLY, float(token.get("expires_in") or 0) / 2)


def _in_words(error: Exception) -> str:
    return str(error) or type(error).__name__
