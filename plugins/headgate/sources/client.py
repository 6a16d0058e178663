"""Asks one provider: signs in, keeps its limits, tries again, and leaves each body as a file."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from headgate.db import Ledger
from headgate.errors import Fatal, HeadgateError, Retriable
from headgate.settings import Settings
from headgate.sources import body as bodies
from headgate.sources.auth import Tokens
from headgate.sources.breaker import Breaker, Busy, Open
from headgate.sources.credentials import required, variable, what_to_set
from headgate.sources.http import NEVER_KEPT, Http, longest, sent_headers, timeouts
from headgate.sources.limits import Limits
from headgate.sources.model import Answer, Call, Provider, QuotaUsed, Rejected, Unavailable
from headgate.sources.patience import named_wait

REDIRECTS: Final = 5
ANSWERS: Final = (200, 203, 204)  # what is made later (202) or a part of it (206) is none
QUOTA_PAUSE: Final = 900.0  # seconds that nobody asks where a quota is used up and no time is named
LONGEST_PAUSE: Final = 86_400.0  # of those a provider names; absurd ones end with the day
LONGEST_BACKOFF: Final = 30.0
SAID: Final = 300  # characters of a provider's own words in an error


class Client:
    """``with Client(provider, settings, ledger) as client: provider.pages(client.ask, want)``.

    Bodies are files in a folder of the client's own, which goes with it; who has landed one may remove
    it before. Entering it raises ``Fatal`` when credentials are missing.
    """

    def __init__(self, provider: Provider, settings: Settings, ledger: Ledger) -> None:
        self._provider, self._settings = provider, settings
        self._breaker = Breaker(provider, settings, ledger)
        self._limits = Limits(
            provider.name, provider.title, provider.limits, ledger, settings.sources_wait_seconds
        )
        self._retrying = Retrying(
            stop=stop_after_attempt(settings.sources_attempts),
            wait=pauses(settings.sources_backoff_seconds),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        self._numbers = count()
        self._bearer = ""

    def __enter__(self) -> Self:
        self._access = required(self._provider, self._settings)
        self._tokens = Tokens(self._provider, lambda: self._access)
        with ExitStack() as opened:
            folder = tempfile.TemporaryDirectory(prefix=f"headgate-{self._provider.name}-")
            self._folder = Path(opened.enter_context(folder))
            self._http = opened.enter_context(Http(self._settings.home / "cache" / self._provider.name))
            self._closing = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.close()

    def ask(self, call: Call) -> Answer:
        """The provider's answer to a call, after as many attempts as the settings allow.

        A provider that still asks for patience then, and never says how much, is left alone for a while.
        Raises ``Unavailable`` (the provider is away, or its breaker is open), ``QuotaUsed``, ``Rejected``,
        ``Fatal`` (credentials that are refused), ``Retriable`` (the ledger or the disk is away).
        """
        try:
            return self._retrying(self._signed_in, call)
        except Busy as error:
            if error.retry_after:
                raise
            raise self._patient(QuotaUsed(f"{error}, however often it is asked")) from None

    def clear(self) -> None:
        """Remove the bodies that are left."""
        for path in self._folder.iterdir():
            path.unlink()

    def _signed_in(self, call: Call) -> Answer:
        """A token may end or be withdrawn before its time: one refusal is answered by a new one."""
        try:
            return self._followed(call)
        except _TokenRefused:
            self._tokens.forget(self._provider.token_scope(call), self._bearer)
            return self._followed(call)

    def _followed(self, call: Call) -> Answer:
        """The answer behind redirects, each a request of its own."""
        moved: httpx.Request | None = None
        for _ in range(REDIRECTS + 1):
            found = self._attempt(call, moved)
            if isinstance(found, Answer):
                return found
            moved = found
        raise Rejected(f"{self._about(call)} redirects more than {REDIRECTS} times")

    def _attempt(self, call: Call, moved: httpx.Request | None) -> Answer | httpx.Request:
        """One request in its turn; breaker and limits learn what became of it."""
        longest_call = longest(call.read_timeout)
        turn = self._breaker.admit(self._settings.sources_wait_seconds + longest_call)
        try:
            self._limits.take(longest_call)
            try:
                outcome = self._outcome(call, moved)
            finally:
                self._limits.end()
            turn.settle(outcome if isinstance(outcome, Exception) else None)
        finally:
            turn.leave()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _outcome(self, call: Call, moved: httpx.Request | None) -> Answer | httpx.Request | HeadgateError:
        """What the provider made of it, its failures included; nobody asks while it wants patience."""
        try:
            return self._exchange(call, moved or self._request(call))
        except (Unavailable, QuotaUsed, Rejected, Fatal) as error:
            return self._patient(error)

    def _patient(self, error: HeadgateError) -> HeadgateError:
        down = isinstance(error, Unavailable) and not isinstance(error, Busy)
        wait = error.retry_after if isinstance(error, Unavailable) else None
        if wait and wait > self._settings.sources_wait_seconds:
            text = f"{error}; it wants to be asked again in {wait:,.0f} s"
            error = Open(text, wait) if down else QuotaUsed(text)
        if isinstance(error, Busy):
            wait = wait or self._settings.sources_backoff_seconds
        if isinstance(error, QuotaUsed):
            wait = wait or QUOTA_PAUSE
        if wait:
            self._breaker.hold(min(wait, LONGEST_PAUSE), str(error), down=down)
        return error

    def _request(self, call: Call) -> httpx.Request:
        if not call.path.startswith("/"):
            raise Fatal(f"the path of a call begins with a slash: {call.path!r}")
        if scope := self._oauth_scope(call):
            self._bearer = self._tokens.header(scope)
            signed: Mapping[str, str] = {"Authorization": self._bearer}
        else:
            signed = self._provider.authenticate(call, self._plain_secrets())
        extensions = {"caching": {"rfc": NEVER_KEPT}} if signed else {}  # a cache would write these down, too
        return self._http.build_request(
            call.method,
            self._access.host(call.host) + call.path,
            params=_query(call),
            json=call.json,
            headers={**call.headers, **signed},
            timeout=timeouts(call.read_timeout),
            extensions=extensions,
        )

    def _oauth_scope(self, call: Call) -> str:
        if self._provider.credential != "client_credentials":
            return ""
        return self._provider.token_scope(call)

    def _plain_secrets(self) -> Mapping[str, str]:
        if self._provider.credential not in ("token", "optional_token"):
            return {}
        return {name: self._access.secret(name) for name in self._access.secrets}

    def _exchange(self, call: Call, request: httpx.Request) -> Answer | httpx.Request:
        """Send it and keep the body. ``Unavailable`` in the words of what went wrong, without the request."""
        try:
            response = self._http.send(request, stream=True)
            try:
                self._limits.answer_begins()
                return self._moved(call, response) or self._kept(call, response)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(self._told(call, str(error) or type(error).__name__)) from None
        except (OSError, sqlite3.Error) as error:
            raise Retriable(f"a body cannot be kept in {self._folder}: {error}") from error

    def _moved(self, call: Call, response: httpx.Response) -> httpx.Request | None:
        """The request that a redirect within the host asks for."""
        to = response.next_request
        if to is None:
            return None
        if not _same_host(response.request.url, to.url):
            setting = variable(self._provider.name, f"url_{call.host}")
            where = f"{to.url.scheme}://{to.url.netloc.decode()}"
            raise Rejected(self._told(call, f"redirects to {where}; if it has moved there, set {setting}"))
        return to

    def _kept(self, call: Call, response: httpx.Response) -> Answer:
        path = self._folder / f"{next(self._numbers)}.gz"
        try:
            try:
                coding = response.headers.get("content-encoding", "").strip().lower()
                content = bodies.unpacked(response.iter_raw(), coding)
                body = bodies.keep(content, path, call.read_timeout)
            except Unavailable as error:
                raise Unavailable(self._told(call, str(error))) from None
            answer = _answer(call, response, path, body)
            unframed = bool(response.extensions.get("unframed"))
            if lack := bodies.incomplete(answer, body, unframed=unframed):
                raise Unavailable(self._told(call, lack))
            if problem := self._problem(answer):
                raise problem
        except BaseException:
            path.unlink(missing_ok=True)
            self._http.forget(response.request)
            raise
        return answer

    def _problem(self, answer: Answer) -> Exception | None:
        """What the provider's class says of the answer, else what its status says."""
        try:
            error = self._provider.problem(answer) or self._by_status(answer)
        except ValueError:  # it is not what the class can read
            error = self._by_status(answer) or Unavailable(self._said(answer, "an answer of another kind"))
        if error is None:
            return None
        error.args = (self._hidden(str(error)),)
        if isinstance(error, Unavailable):
            wait = error.retry_after or named_wait(answer.headers)
            return (Busy if answer.status == 429 else Unavailable)(str(error), wait)
        return error

    def _by_status(self, answer: Answer) -> Exception | None:
        status = answer.status
        if status in ANSWERS:
            html = answer.content_type == "text/html"
            return Unavailable(self._said(answer, "a page for people in place of data")) if html else None
        if status in (401, 403) and self._provider.credential != "none":
            return self._refused(answer)
        if status in (408, 425, 429) or status >= 500 or status < 400:
            return Unavailable(self._said(answer, f"status {status}"))
        return Rejected(self._said(answer, f"status {status}"))

    def _refused(self, answer: Answer) -> Exception:
        text = f"{self._said(answer, f'status {answer.status}')}; {what_to_set(self._provider)}"
        expired = answer.status == 401 and self._oauth_scope(answer.call)
        return _TokenRefused(text) if expired else Fatal(text)

    def _said(self, answer: Answer, what: str) -> str:
        """With the provider's own words, without tags and without what it should not repeat."""
        text = answer.head(4096).decode("utf-8", errors="replace")
        if text.lstrip().startswith("<"):
            text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
        words = self._hidden(" ".join(text.split()))[:SAID]
        return self._told(answer.call, f"{what}: {words}" if words else what)

    def _told(self, call: Call, what: str) -> str:
        return self._hidden(f"{self._about(call)}: {what}")

    def _hidden(self, text: str) -> str:
        """Without our secrets, the bearer token of the moment among them."""
        token = self._bearer.removeprefix("Bearer ")
        return self._access.hidden(text.replace(token, "…") if token else text)

    def _about(self, call: Call) -> str:
        return f"{self._provider.title}, {call.method} {call.path}"


class _TokenRefused(Fatal):
    """The provider does not take a bearer token."""


def _answer(call: Call, response: httpx.Response, path: Path, body: bodies.Body) -> Answer:
    cached = response.extensions.get("caching") or {}
    return Answer(
        call=call,
        status=response.status_code,
        headers=sent_headers(response),
        body=path,
        size=body.size,
        sha256=body.sha256,
        fetched_at=datetime.now(UTC),
        from_cache=bool(cached.get("from_cache")),
    )


def _query(call: Call) -> list[tuple[str, str | int | float | bool | None]] | None:
    """Pairs in their order; a list repeats its name."""
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in call.params.items():
        values = [value] if isinstance(value, str | int | float) else value
        pairs += [(name, one) for one in values]
    return pairs or None


def _same_host(before: httpx.URL, after: httpx.URL) -> bool:
    """The same place, or the same name by TLS now."""
    if (before.scheme, before.host, before.port) == (after.scheme, after.host, after.port):
        return True
    upgraded = (before.scheme, after.scheme) == ("http", "https")
    return upgraded and before.host == after.host and before.port is None and after.port is None


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and not isinstance(error, Open)


def pauses(first: float) -> Callable[[RetryCallState], float]:
    """Growing, with chance; none where the provider named one, as then nobody asks before."""
    growing = wait_random_exponential(multiplier=first, max=LONGEST_BACKOFF)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        named = isinstance(error, Unavailable) and error.retry_after
        return 0.0 if named else growing(state)

    return pause
