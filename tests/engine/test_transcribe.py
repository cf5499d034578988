"""Voice messages in words."""

from __future__ import annotations

import pytest

from bridge.engine.transcribe import TranscriptionServer
from bridge.errors import EngineBroken, EngineUnreachable
from tests.fakes.openai import FakeOpenAI
from tests.lab.ports import free_port


async def transcribed(server: TranscriptionServer) -> str:
    try:
        return await server.transcribe(b"ogg")
    finally:
        await server.close()


async def test_a_recording_is_sent_as_a_file_and_comes_back_as_words() -> None:
    async with FakeOpenAI(reply=" Grüße aus dem Garten. ", key="sk") as fake:
        server = TranscriptionServer(fake.url, model="whisper", api_key="sk")
        assert await transcribed(server) == "Grüße aus dem Garten."
        assert fake.heard == [b"ogg"]
        assert fake.seen == [{"response_format": "json", "model": "whisper"}]


async def test_a_refusal_is_no_transcript_and_tells_nothing() -> None:
    async with FakeOpenAI(status=500, problem="heard: my secret") as fake:
        with pytest.raises(EngineBroken) as caught:
            await transcribed(TranscriptionServer(fake.url))
    assert "secret" not in str(caught.value)


async def test_a_server_that_has_no_time_is_tried_again_later() -> None:
    async with FakeOpenAI(status=503) as fake:
        with pytest.raises(EngineUnreachable):
            await transcribed(TranscriptionServer(fake.url))


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(EngineUnreachable, match="transcription server"):
        await transcribed(TranscriptionServer(f"http://127.0.0.1:{free_port()}"))
