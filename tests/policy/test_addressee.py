"""Our rules of address on chat logs of people, beside two simple guesses.

IRC_DISENTANGLEMENT=/path/to/irc-disentanglement/data/test pytest tests/policy/test_addressee.py -s
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.policy.irc import (
    Guess,
    accuracy,
    by_our_rules,
    last_speaker,
    mention_or_last_speaker,
    read_links,
    read_log,
)

SAMPLES: Final = Path(__file__).parent / "samples"
GUESSES: Final[dict[str, Guess]] = {
    "last speaker": last_speaker,
    "mention, else last speaker": mention_or_last_speaker,
    "our rules": by_our_rules,
}


def scored(folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, guess in GUESSES.items():
        right = asked = 0
        for annotation in sorted(folder.rglob("*.annotation.txt")):
            log = annotation.with_name(annotation.name.replace(".annotation.", ".ascii."))
            one = accuracy(read_log(log), read_links(annotation), guess)
            right, asked = right + one[0], asked + one[1]
        found[name] = right / asked
        print(f"{name}: {right} of {asked}, {right / asked:.1%}")
    return found


def test_our_rules_are_no_worse_than_the_mention_or_the_last_speaker() -> None:
    found = scored(SAMPLES)
    assert found["our rules"] >= found["mention, else last speaker"] > found["last speaker"]


@pytest.mark.skipif(
    not os.environ.get("IRC_DISENTANGLEMENT"),
    reason="IRC_DISENTANGLEMENT is not set: no corpus to score",
)
def test_nor_on_the_corpus() -> None:
    found = scored(Path(os.environ["IRC_DISENTANGLEMENT"]))
    assert found["our rules"] >= found["mention, else last speaker"]
