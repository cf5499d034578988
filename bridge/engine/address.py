"""Where an Ollama is: addresses as people and `OLLAMA_HOST` write them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

DEFAULT_PORT = 11434
_SCHEME_PORTS = {"http": 80, "https": 443}


def ollama_host(value: str = "") -> str:
    """A complete URL for an address as `OLLAMA_HOST` may hold it; "" is Ollama's default.

    A bare host gets http and port 11434, a scheme its own port. "Every interface" is an address
    to listen on, not to call, so it becomes loopback. A user and password in it are dropped.
    """
    text = value.strip().strip("\"'").strip()
    scheme, has_scheme, rest = text.partition("://")
    if not has_scheme:
        scheme, rest = "http", text
    scheme = scheme.lower()
    default_port = _SCHEME_PORTS.get(scheme, DEFAULT_PORT) if has_scheme else DEFAULT_PORT
    if scheme not in _SCHEME_PORTS:
        scheme = "http"
    if _is_ipv6(rest):
        rest = f"[{rest}]"
    parts = _split(f"//{rest}")
    if parts is None:
        return f"http://127.0.0.1:{DEFAULT_PORT}"
    host, port, path = parts
    return f"{scheme}://{_callable_host(host)}:{port or default_port}{path}"


def _split(text: str) -> tuple[str, int | None, str] | None:
    """Host, port and path, or None when it is no address at all."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return None
    try:
        port = parts.port
    except ValueError:
        port = None
    return host, port, parts.path.rstrip("/")


def _callable_host(host: str) -> str:
    if host in ("", "0.0.0.0"):
        return "127.0.0.1"
    if not _is_ipv6(host):
        return host
    return "[::1]" if ipaddress.IPv6Address(host).is_unspecified else f"[{host}]"


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
