"""Voice messages in words, by a server with the transcription API of the OpenAI dialect."""

from __future__ import annotations

from typing import Final

from bridge.engine.http import CONNECT_TIMEOUT_S, Server
from bridge.engine.openai import base_of
from bridge.errors import EngineBroken, EngineUnreachable

_NAME: Final = "The transcription server"
_MAX_CHARS: Final = 8000


class TranscriptionServer:
    """Satisfies `bridge.ports.Transcriber`: whisper.cpp, Speaches, LocalAI, vLLM and their kind."""

    def __init__(
        self, url: str, *, model: str = "", api_key: str = "", timeout_s: float = 60
    ) -> None:
        self._model = model
        self._server = Server(
            _NAME,
            base_of(url),
            api_key=api_key,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            first_token_timeout_s=timeout_s,
            stall_timeout_s=timeout_s,
        )

    async def transcribe(self, recording: bytes) -> str:
        """What is said in it, "" where nothing is. Raises EngineError."""
        fields = {"response_format": "json"} | ({"model": self._model} if self._model else {})
        response = await self._server.post_file(
            "/audio/transcriptions", "file", "voice.ogg", recording, fields
        )
        try:
            if response.status != 200:
                await self._server.problem(response)
                kind = EngineUnreachable if response.status in (429, 502, 503) else EngineBroken
                raise kind(f"{_NAME} answered {response.status}.")
            text = (await self._server.whole(response)).get("text")
        finally:
            response.close()
        return text.strip()[:_MAX_CHARS] if isinstance(text, str) else ""

    async def close(self) -> None:
        await self._server.close()
