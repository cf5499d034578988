"""What all model servers that speak HTTP have in common: calls, deadlines, and errors as ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, cast

import aiohttp

from bridge.domain.prompt import Prompt
from bridge.errors import EngineBroken, EngineTimeout, EngineUnreachable

CONNECT_TIMEOUT_S: Final = 3.0
_PROBLEM_BYTES: Final = 64 * 1024
_PROBLEM_CHARS: Final = 200
_ECHO_CHARS: Final = 24


class Server:
    """One server. `name` is what it is called in errors; its key goes nowhere else."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        api_key: str = "",
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        first_token_timeout_s: float = 120,
        stall_timeout_s: float = 30,
    ) -> None:
        self.name = name
        self.url = url
        # Keys hold no spaces, and a line end from a file would be refused by the HTTP client.
        self._api_key = "".join(api_key.split())
        self._connect_timeout_s = connect_timeout_s
        self._first_token_timeout_s = first_token_timeout_s
        self.stall_timeout_s = stall_timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def deadline_s(self) -> float:
        """Until when a call that begins now must have said its first word."""
        return asyncio.get_running_loop().time() + self._first_token_timeout_s

    async def post(
        self, path: str, body: Mapping[str, object], deadline_s: float
    ) -> aiohttp.ClientResponse:
        """The answer's head; whoever asks closes it, which is the only cancel that a server
        understands. Redirects are not followed: the key would go along. Raises EngineError."""
        with self.translated():
            async with asyncio.timeout_at(deadline_s):
                return await self._client().post(
                    f"{self.url}{path}", json=body, allow_redirects=False
                )

    async def post_file(
        self, path: str, field: str, name: str, data: bytes, fields: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """The answer's head to a form with a file in it. Raises EngineError."""
        form = aiohttp.FormData(fields)
        form.add_field(field, data, filename=name)
        with self.translated():
            async with asyncio.timeout_at(self.deadline_s()):
                return await self._client().post(
                    f"{self.url}{path}", data=form, allow_redirects=False
                )

    async def get(self, path: str) -> tuple[int, Mapping[str, object]]:
        """Status and JSON of a page. Raises EngineError."""
        with self.translated():
            async with asyncio.timeout(self.stall_timeout_s):
                response = await self._client().get(f"{self.url}{path}", allow_redirects=False)
                try:
                    return response.status, object_of(await response.read())
                finally:
                    response.close()

    async def pieces(
        self,
        response: aiohttp.ClientResponse,
        first_deadline_s: float,
        next_in_s: Callable[[], float | None] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The answer's body as it comes. Raises EngineError where it stalls or breaks.

        `next_in_s` is asked after each piece how long the next word may take; None: what came was
        no word, and the deadline stays. Without it, every piece is one."""
        deadline_s, has_begun = first_deadline_s, False
        while True:
            with self.translated(has_begun=has_begun):
                async with asyncio.timeout_at(deadline_s):
                    data = await response.content.readany()
            if not data:
                return
            yield data
            # Set after the yield: the time a reader takes is no stall of the engine's.
            silence_s = next_in_s() if next_in_s else self.stall_timeout_s
            if silence_s is not None:
                has_begun = True
                deadline_s = asyncio.get_running_loop().time() + silence_s

    async def whole(self, response: aiohttp.ClientResponse) -> Mapping[str, object]:
        """The answer's whole body as one object. Raises EngineError."""
        with self.translated(has_begun=True):
            async with asyncio.timeout(self._first_token_timeout_s):
                return object_of(await response.read())

    async def problem(self, response: aiohttp.ClientResponse) -> str:
        """The error in the body of a refused call, or "" when it holds none that we know."""
        with self.translated(has_begun=True):
            async with asyncio.timeout(self.stall_timeout_s):
                raw = await response.content.read(_PROBLEM_BYTES)
        return self.problem_in(object_of(raw))

    def problem_in(self, body: Mapping[str, object]) -> str:
        """The error that an answer tells, without the key, which some servers repeat."""
        error = body.get("error") or body.get("detail") or body.get("message")
        told = error_text(error) if error else ""
        return told.replace(self._api_key, "***") if self._api_key else told

    @contextmanager
    def translated(self, *, has_begun: bool = False) -> Generator[None]:
        """Network errors as ours."""
        where = f"{self.name} at {self.url}"
        inside = where.replace("The ", "the ", 1)
        kind = self.name.removeprefix("The ")
        try:
            yield
        except aiohttp.ConnectionTimeoutError:
            raise EngineUnreachable(f"{where} did not accept a connection in time.") from None
        except TimeoutError:
            what = "stopped in the middle" if has_begun else "did not begin to answer in time"
            raise EngineTimeout(f"{where} {what}.") from None
        except aiohttp.ClientConnectorCertificateError:
            raise EngineUnreachable(f"The certificate of {inside} is not trusted.") from None
        except aiohttp.ClientConnectorError as error:
            why = error.os_error.strerror or "no connection"
            raise EngineUnreachable(f"No {kind} answers at {self.url} ({why}).") from None
        except (aiohttp.InvalidURL, UnicodeError):
            raise EngineUnreachable(f"{self.url} is no address of a server.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise EngineBroken(
                f"The connection to {inside} broke ({type(error).__name__})."
            ) from None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
            self._session = aiohttp.ClientSession(
                # A connection per call: none is stale, and closing one cancels just its call.
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_timeout_s),
            )
        return self._session


def object_of(raw: bytes) -> Mapping[str, object]:
    """What is no object says nothing."""
    try:
        value = cast("object", json.loads(raw))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def error_text(error: object) -> str:
    """Some servers write a string, others an object with a `message` and a `code`; a list says
    which fields are wrong (FastAPI). Ollama's string is JSON that it was told itself."""
    code: object = ""
    if isinstance(error, str) and error.startswith("{"):
        error = object_of(error.encode()).get("error") or error
    if isinstance(error, list):
        return "; ".join(map(_field_text, cast("list[object]", error))) or "unknown error"
    if isinstance(error, dict):
        told = cast("dict[str, object]", error)
        error, code = told.get("message"), told.get("code")
    text = error if isinstance(error, str) and error else "unknown error"
    return f"{text} ({code})" if isinstance(code, str) and code and code not in text else text


def _field_text(entry: object) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    told = cast("dict[str, object]", entry)
    where = told.get("loc")
    names = map(str, cast("list[object]", where)) if isinstance(where, list) else ()
    return f"{'.'.join(names)}: {told.get('msg')}"


def in_a_line(problem: str) -> str:
    """The problem, short enough for a log."""
    return " ".join(problem.split())[:_PROBLEM_CHARS]


def withhold(problem: str, prompt: Prompt) -> str:
    """The problem in one short line; nothing of it where it repeats the prompt (it is logged)."""
    line = in_a_line(problem)
    given = " ".join(result.text for step in prompt.steps for result in step.results)
    asked = " ".join(f"{prompt.system} {prompt.user} {given}".split())
    for start in range(max(0, len(line) - _ECHO_CHARS + 1)):
        if line[start : start + _ECHO_CHARS] in asked:
            return "its message repeats the prompt and is left out"
    return line
