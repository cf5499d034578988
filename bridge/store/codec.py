"""Domain values as JSON text, and back."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from bridge.domain.effect import Effect
from bridge.domain.events import RoomEvent
from bridge.domain.room import Room

T = TypeVar("T")

_to_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Uncodable(ValueError):
    """A value that has no JSON form, or JSON that is no such value. Its text holds no values."""


class Codec(Generic[T]):
    """JSON of one type. A field added later needs a default: stored rows lack it."""

    def __init__(self, adapter: TypeAdapter[T]) -> None:
        self._adapter = adapter

    def encode(self, value: T) -> str:
        """Raises Uncodable."""
        with suppress(PydanticSerializationError, ValueError):
            return self._adapter.dump_json(value).decode()
        # What strangers write has characters (lone surrogates) that only Python's own writer knows.
        try:
            plain = self._adapter.dump_python(value, mode="json")
            return _to_json(plain)
        except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
            raise Uncodable(f"cannot be written as JSON ({type(error).__name__})") from None

    def decode(self, text: str) -> T:
        """Raises Uncodable."""
        try:
            plain: Any = json.loads(text)
            return self._adapter.validate_python(plain)
        except ValidationError as error:
            places = ", ".join(
                f"{'.'.join(map(str, problem['loc']))}: {problem['type']}"
                for problem in error.errors(include_url=False, include_input=False)[:5]
            )
            raise Uncodable(f"does not fit ({places})") from None
        except (ValueError, RecursionError) as error:
            raise Uncodable(f"cannot be read as JSON ({type(error).__name__})") from None


EVENTS: Final[Codec[RoomEvent]] = Codec(
    TypeAdapter(Annotated[RoomEvent, Field(discriminator="kind")])
)
EFFECTS: Final[Codec[Effect]] = Codec(TypeAdapter(Annotated[Effect, Field(discriminator="kind")]))
ROOMS: Final[Codec[Room]] = Codec(TypeAdapter(Room))
