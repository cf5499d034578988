"""What all streams of replies have in common: pieces of text, an end, and thoughts between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from bridge.domain.prompt import Delta, Finished, TextDelta
from bridge.engine.stops import StopFilter
from bridge.engine.surrogates import Surrogates
from bridge.engine.thoughts import ThoughtFilter
from bridge.engine.tooling import Collected, Piece
from bridge.errors import EngineBroken, EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One piece of a stream. `end` is why the reply ended, None until then; what is known of it may
    come in several pieces."""

    text: str = ""
    is_hidden: bool = False
    """The model said something of which nothing is shown."""
    error: str = ""
    end: str | None = None
    calls: tuple[Piece, ...] = ()
    """Parts of calls of tools."""
    model: str = ""
    prompt_tokens: int = 0
    reply_tokens: int = 0
    load_ms: int = 0

    def then(self, later: Chunk) -> Chunk:
        """What is known of the end once a later piece has come, too."""
        return Chunk(
            end=self.end if later.end is None else later.end,
            model=later.model or self.model,
            prompt_tokens=later.prompt_tokens or self.prompt_tokens,
            reply_tokens=later.reply_tokens or self.reply_tokens,
            load_ms=later.load_ms or self.load_ms,
        )


class Reader:
    """Makes replies of chunks. It remembers which models begin in the middle of a thought."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._starts_in_thought: set[str] = set()

    async def replies(
        self,
        chunks: AsyncGenerator[Chunk, None],
        model: str,
        problem_of: Callable[[str, bool], EngineError],
        on_end: Callable[[Chunk], None] = lambda _: None,
        stops: Sequence[str] = (),
    ) -> AsyncGenerator[Delta, None]:
        """Text without thoughts, and one `Finished` with all calls of tools. `problem_of` makes an
        error of one inside the stream and of whether text came before it. `stops`: where the text
        is cut because the server does not do it; the rest is read all the same, for its counts.
        Raises EngineError."""
        thoughts = ThoughtFilter(starts_inside=model in self._starts_in_thought)
        surrogates, stop, end, has_spoken = Surrogates(), StopFilter(stops), Chunk(), False
        collected = Collected()
        async with aclosing(chunks):
            async for chunk in chunks:
                if chunk.error:
                    raise problem_of(chunk.error, has_spoken)
                end = end.then(chunk)
                for piece in chunk.calls:
                    collected.add(piece)
                text = stop.feed(thoughts.feed(surrogates.feed(chunk.text)))
                self._refuse_thoughts(thoughts, model)
                if text:
                    has_spoken = True
                    yield TextDelta(text=text)
        if end.end is None:
            raise EngineBroken(f"{self._name} ended the stream without finishing the reply.")
        last = stop.feed(thoughts.feed(surrogates.finish()) + thoughts.finish()) + stop.finish()
        self._refuse_thoughts(thoughts, model)
        if last:
            yield TextDelta(text=last)
        on_end(end)
        yield Finished(
            reason="length" if end.end == "length" and not stop.has_stopped else "stop",
            model=end.model or model,
            prompt_tokens=end.prompt_tokens,
            reply_tokens=end.reply_tokens,
            calls=collected.calls(),
        )

    def _refuse_thoughts(self, thoughts: ThoughtFilter, model: str) -> None:
        if thoughts.is_orphan:
            self._starts_in_thought.add(model)
            raise EngineBroken(
                f"Model {model!r} writes its reasoning into its reply; this reply is dropped,"
                " the next ones start after the reasoning."
            )
