"""A source of tools that remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.domain.tool import Asking, Tool

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
DOOR = Tool(name="house.door", description="Opens the door.", parameters=TEXT)
SAFE = Tool(name="house.safe", description="Opens the safe.", parameters=TEXT)


@dataclass
class FakeTools:
    """`gives`: by name; an exception is raised, None never ends."""

    has: tuple[Tool, ...] = (DOOR, SAFE)
    gives: dict[str, Any] = field(default_factory=dict[str, Any])
    asked: list[tuple[str, dict[str, object], Asking]] = field(
        default_factory=list[tuple[str, dict[str, object], Asking]]
    )

    async def tools(self) -> Sequence[Tool]:
        return self.has

    async def call(self, tool: Tool, arguments: Mapping[str, object], asking: Asking) -> str:
        self.asked.append((tool.name, dict(arguments), asking))
        given = self.gives.get(tool.name, "done")
        if given is None:
            await asyncio.Event().wait()
        if isinstance(given, Exception):
            raise given
        return str(given)

    async def close(self) -> None:
        return None

    def names(self) -> list[str]:
        return [name for name, _, _ in self.asked]
