"""Identifiers, and the two that we derive ourselves."""

from __future__ import annotations

import base64
import hashlib
from typing import NewType

RoomId = NewType("RoomId", str)
EventId = NewType("EventId", str)
UserId = NewType("UserId", str)
DeviceId = NewType("DeviceId", str)
PuppetId = NewType("PuppetId", str)
"""Lower-case name of a puppet, the same as its persona file's: `luna`."""
TurnId = NewType("TurnId", str)
TxnId = NewType("TxnId", str)
WorkerId = NewType("WorkerId", str)


def turn_id(room_id: RoomId, cause_id: str, puppet_id: PuppetId) -> TurnId:
    """One cause, one turn per puppet, whoever runs it: the same input gives the same id."""
    digest = hashlib.blake2b(
        "\x1f".join((room_id, cause_id, puppet_id)).encode(), digest_size=15
    ).digest()
    return TurnId(base64.b32encode(digest).decode().lower())


def txn_id(turn: TurnId, ordinal: str) -> TxnId:
    """Transaction id of the `ordinal`-th effect of a turn.

    It holds the puppet (by the turn): Synapse remembers an appservice's transaction ids without
    the user, so that two puppets sharing one would collapse into one event.
    """
    return TxnId(f"{turn}.{ordinal}")


def fingerprint(user_id: UserId) -> str:
    """What stands for a person whose name must not be kept. It leads back to nobody."""
    return "~" + hashlib.blake2b(user_id.encode(), digest_size=12).hexdigest()


def server_of(user_id: str) -> str:
    """The server name of a user id, "" where there is none."""
    return user_id.partition(":")[2]


def localpart_of(user_id: str) -> str:
    return user_id.removeprefix("@").partition(":")[0]
