from __future__ import annotations

import pytest

from bridge.engine.address import ollama_host


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("  ", "http://127.0.0.1:11434"),
        ("example.org", "http://example.org:11434"),
        ("example.org:8080", "http://example.org:8080"),
        (":5000", "http://127.0.0.1:5000"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://0.0.0.0:11434/", "http://127.0.0.1:11434"),
        ("[::]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[fd00::5]:80", "http://[fd00::5]:80"),
        ("http://example.org", "http://example.org:80"),
        ("https://example.org", "https://example.org:443"),
        ("HTTPS://Example.org/ollama/", "https://example.org:443/ollama"),
        ('"localhost"', "http://localhost:11434"),
        ("example.org:nonsense", "http://example.org:11434"),
        ("http://user:secret@example.org:1", "http://example.org:1"),
        ("http://[broken", "http://127.0.0.1:11434"),
    ],
)
def test_an_address_becomes_a_whole_url(written: str, url: str) -> None:
    assert ollama_host(written) == url
    assert ollama_host(url) == url
