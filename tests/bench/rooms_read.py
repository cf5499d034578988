"""What a model server has to read when rooms go on: our prompts, beside two other layouts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from bridge.domain.access import Access, Limits
from bridge.domain.cast import Cast
from bridge.domain.history import Said
from bridge.domain.ids import DeviceId, EventId, PuppetId, RoomId, UserId
from bridge.domain.persona import Persona, Puppet
from bridge.domain.prompt import Prompt
from bridge.domain.room import Member, Room
from bridge.personas import load_personas, shipped_folder
from bridge.policy.context import build_prompt, next_window
from bridge.policy.transcript import transcript_of
from bridge.policy.view import House

Layout = Literal["ours", "persona first"]

WINDOW: Final = 60
_PER_REPLY: Final = 1.5
"""Messages of people between two replies in a room, on average."""
_CARDS: Final = load_personas(shipped_folder())
_WORDS: Final = [
    "the",
    "moon",
    "tide",
    "tea",
    "garden",
    "rose",
    "bread",
    "film",
    "lighthouse",
    "train",
    "friday",
    "saturday",
    "bring",
    "again",
    "why",
    "because",
    "never",
    "always",
    "maybe",
    "small",
    "large",
    "green",
    "blue",
    "old",
    "new",
    "song",
    "letter",
    "river",
    "road",
    "house",
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One prompt of the replay. `least_text`: what is new to whoever read the room before."""

    room: int
    text: str
    least_text: str


def replay(*, rooms: int, puppets: int, replies: int, layout: Layout = "ours") -> Iterator[Asked]:
    """Prompts as rooms would ask them, rooms and puppets at random; the same every time."""
    dice = random.Random(7)
    cast = Cast(tuple(_puppet(n) for n in range(puppets)))
    chats = [_Chat(n, cast, dice) for n in range(rooms)]
    for chat in chats:
        for _ in range(dice.randrange(WINDOW // 2, WINDOW)):
            chat.say()
    for _ in range(replies):
        chat = dice.choice(chats)
        for _ in range(dice.randrange(1, round(2 * _PER_REPLY))):
            chat.say()
        yield chat.ask(dice.choice(cast.puppets), layout)


class _Chat:
    def __init__(self, number: int, cast: Cast, dice: random.Random) -> None:
        self._number, self._cast, self._dice = number, cast, dice
        members = [puppet.user_id for puppet in cast.puppets]
        members += [UserId(f"@p{n}:bench") for n in range(6)]
        self._room = Room(
            room_id=RoomId(f"!room{number}:bench"),
            name=f"Room {number}",
            is_encrypted=False,
            members={
                user_id: Member(user_id=user_id, membership="join", display_name=user_id[1:3])
                for user_id in members
            },
        )
        limits = Limits(prompt_tokens=100_000, window_messages=WINDOW)
        self._house = House(cast=cast, access=Access(own_server="bench"), limits=limits)
        self._said: list[Said] = []
        self._window_from = 0
        self._read = 0
        """How much of the transcript was in an earlier prompt, in lines."""

    def say(self, puppet: Puppet | None = None) -> None:
        dice, seq = self._dice, len(self._said) + 1
        person = UserId(f"@p{dice.randrange(6)}:bench")
        words = " ".join(dice.choice(_WORDS) for _ in range(dice.randrange(3, 22)))
        self._said.append(
            Said(
                seq=seq,
                event_id=EventId(f"$e{self._number}-{seq}"),
                room_id=self._room.room_id,
                sender=puppet.user_id if puppet else person,
                sender_name=puppet.display_name if puppet else person[1:3],
                text=words,
                sent_at=seq,
                is_ours=puppet is not None,
                is_ai=puppet is not None,
            )
        )

    def ask(self, puppet: Puppet, layout: Layout) -> Asked:
        cause = self._said[-1]
        before = self._window_from
        self._window_from = next_window(self._said, before, WINDOW)
        inside = [line for line in self._said if line.seq >= self._window_from]
        prompt = build_prompt(
            house=self._house, room=self._room, puppet=puppet, said=inside, cause=cause
        )
        lines = prompt.user.split("\n")
        first_new = 0 if self._window_from != before else self._read
        self._read = len(inside)
        asked = Asked(
            room=self._number,
            text=_chatml(prompt) if layout == "ours" else self._persona_first(puppet, prompt),
            least_text="\n".join(lines[first_new:]),
        )
        self.say(puppet)
        return asked

    def _persona_first(self, puppet: Puppet, prompt: Prompt) -> str:
        """A system prompt for each character, and the newest messages: how it is mostly done."""
        others, _, tail = prompt.user.partition("\n\n")
        del others
        newest = transcript_of(self._said[-WINDOW:], self._cast, 100_000)
        lines = "\n".join(line.text for line in newest)
        system = f"You are {puppet.persona.name}. {puppet.persona.character}\n\n{prompt.system}"
        return _chatml(replace(prompt, system=system, user=f"{lines}\n\n{tail}"))


def _puppet(n: int) -> Puppet:
    name = ("Luna", "Milo", "Nova", "Iris", "Otto", "Pia", "Rolf", "Suki")[n]
    # Cards as long as those that the program comes with: they are those.
    card = _CARDS[n % len(_CARDS)]
    puppet_id = PuppetId(name.lower())
    return Puppet(
        puppet_id=puppet_id,
        user_id=UserId(f"@ai_{puppet_id}:bench"),
        device_id=DeviceId("BENCH"),
        display_name=f"{name} (AI)",
        persona=Persona(
            persona_id=puppet_id,
            version="1",
            name=name,
            description=card.description.replace(card.name, name),
            character=card.character.replace(card.name, name),
            voice=card.voice,
        ),
    )


def _chatml(prompt: Prompt) -> str:
    """As a chat template writes it."""
    return (
        f"<|im_start|>system\n{prompt.system}<|im_end|>\n"
        f"<|im_start|>user\n{prompt.user}<|im_end|>\n<|im_start|>assistant\n"
    )
