"""Whether a bridge with these settings is running, asked at its own port."""

from __future__ import annotations

from typing import Final

import aiohttp

from bridge.settings import HttpSettings

_TIMEOUT_S: Final = 3.0


async def is_running(http: HttpSettings) -> bool:
    """True when `/health` answers as ours does."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{http.port}/health"
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as client,
            client.get(address) as response,
        ):
            return response.status == 200 and await response.json() == {"status": "ok"}
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
        return False
