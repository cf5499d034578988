"""What the tests of engines share: a prompt, and a reply read to its end."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

from bridge.domain.ids import PuppetId
from bridge.domain.prompt import Finished, Prompt, Queued, Scene, TextDelta
from bridge.ports import Engine

SCENE = Scene(puppet_id=PuppetId("luna"), speaker="Luna", question="Luna, how are you?")
PROMPT = Prompt(system="You write Luna's messages.", user="Alice: how are you?", scene=SCENE)


def asked(
    question: str, *, asker: str = "Alice", language: str = "", speaker: str = "Luna"
) -> Prompt:
    scene = replace(SCENE, question=question, asker=asker, language=language, speaker=speaker)
    return replace(PROMPT, user=question, scene=scene)


async def ask(engine: Engine, prompt: Prompt = PROMPT) -> tuple[str, Finished]:
    """The whole text and the end; the end must come once, and last."""
    text: list[str] = []
    ends: list[Finished] = []
    async with aclosing(engine.stream(prompt, affinity="!room:example.org")) as deltas:
        async for delta in deltas:
            assert not ends, "something came after the end"
            match delta:
                case TextDelta():
                    text.append(delta.text)
                case Finished():
                    ends.append(delta)
                case Queued():
                    pass
    assert len(ends) == 1, "the end did not come"
    return "".join(text), ends[0]
