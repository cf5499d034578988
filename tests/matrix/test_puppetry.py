"""Puppets are brought up, kept as they should be, and retired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.domain.ids import PuppetId
from bridge.domain.persona import PuppetRecord
from bridge.domain.vendor import AI_KEY, BOT_FLAG
from bridge.errors import ConfigError, Refused, TokenRejected, Unreachable
from bridge.matrix.homeserver import MatrixHomeserver
from bridge.matrix.puppetry import Puppetry
from tests.matrix.answers import Answer, Answers, Asked, refusal
from tests.matrix.making import LUNA, ROOM, puppet

V3 = "/client/v3"
PROFILE = f"{V3}/profile/{LUNA}"


class Memory:
    """What was done for each puppet."""

    def __init__(self) -> None:
        self.records: dict[PuppetId, PuppetRecord] = {}

    async def get(self, puppet_id: PuppetId) -> PuppetRecord | None:
        return self.records.get(puppet_id)

    async def put(self, record: PuppetRecord) -> None:
        self.records[record.puppet_id] = record


class Town:
    """Accounts with profiles, as Synapse keeps them."""

    def __init__(self, server: Answers) -> None:
        self.users: set[str] = set()
        self.devices: set[str] = set()
        self.profile: dict[str, Any] = {}
        server.on("POST", f"{V3}/register", self._register)
        server.on("PUT", f"{V3}/devices/.*", self._device)
        server.on("GET", PROFILE, lambda _: dict(self.profile))
        server.on("PUT", f"{PROFILE}/.*", self._set)
        server.on("POST", "/media/v3/upload", {"content_uri": "mxc://example.org/face"})

    def _register(self, asked: Asked) -> Answer:
        name = asked.content["username"]
        if name in self.users:
            return refusal(400, "M_USER_IN_USE")
        self.users.add(name)
        self.profile["displayname"] = name
        return Answer(content={"user_id": LUNA})

    def _device(self, asked: Asked) -> Answer:
        # Synapse refuses a request in the name of a device that is not there yet.
        if "device_id" in asked.query:
            return refusal(400, "M_UNKNOWN_DEVICE")
        self.devices.add(asked.path.rpartition("/")[2])
        return Answer(content={})

    def _set(self, asked: Asked) -> Answer:
        self.profile.update(asked.content)
        return Answer(content={})


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def town(server: Answers) -> Town:
    return Town(server)


@pytest.fixture
def puppetry(homeserver: MatrixHomeserver, memory: Memory) -> Puppetry:
    return Puppetry(homeserver=homeserver, memory=memory, operator="Example Org")


@pytest.fixture
def avatar(tmp_path: Path) -> Path:
    path = tmp_path / "luna.png"
    _paint(path, b"a face")
    return path


def _paint(path: Path, data: bytes) -> None:
    path.write_bytes(data)


async def test_a_new_puppet_gets_account_device_name_and_marks(
    server: Answers, town: Town, puppetry: Puppetry, memory: Memory
) -> None:
    await puppetry.ensure(puppet())
    assert (town.users, town.devices) == ({"ai_luna"}, {"AI_LUNA"})
    assert town.profile == {
        "displayname": "Luna (AI)",
        AI_KEY: {"persona": "luna", "operator": "Example Org"},
        BOT_FLAG: True,
    }
    (registered,) = server.requests("POST", "register")
    assert registered.content == {
        "type": "m.login.application_service",
        "username": "ai_luna",
        "inhibit_login": True,
    }
    assert "user_id" not in registered.query
    record = memory.records[PuppetId("luna")]
    assert (record.state, record.display_name) == ("registered", "Luna (AI)")


async def test_a_second_start_changes_nothing(
    server: Answers, town: Town, puppetry: Puppetry, memory: Memory, avatar: Path
) -> None:
    luna = puppet(avatar=str(avatar))
    await puppetry.ensure(luna)
    before = dict(memory.records)
    server.asked.clear()
    await puppetry.ensure(luna)
    assert server.requests("PUT", "profile") == []
    assert server.requests("POST", "upload") == []
    assert memory.records == before


async def test_an_avatar_is_uploaded_again_only_when_its_file_changed(
    server: Answers, town: Town, puppetry: Puppetry, avatar: Path
) -> None:
    luna = puppet(avatar=str(avatar))
    await puppetry.ensure(luna)
    assert town.profile["avatar_url"] == "mxc://example.org/face"
    (uploaded,) = server.requests("POST", "upload")
    assert uploaded.content == b"a face"
    _paint(avatar, b"another face")
    server.on("POST", "/media/v3/upload", {"content_uri": "mxc://example.org/new"})
    await puppetry.ensure(luna)
    assert town.profile["avatar_url"] == "mxc://example.org/new"
    assert len(server.requests("POST", "upload")) == 2


async def test_what_somebody_changed_is_put_right_with_the_file_that_is_there(
    server: Answers, town: Town, puppetry: Puppetry, avatar: Path
) -> None:
    luna = puppet(avatar=str(avatar))
    await puppetry.ensure(luna)
    town.profile |= {"displayname": "Luna", "avatar_url": "mxc://example.org/other"}
    await puppetry.ensure(luna)
    assert town.profile["displayname"] == "Luna (AI)"
    assert town.profile["avatar_url"] == "mxc://example.org/face"
    assert len(server.requests("POST", "upload")) == 1


async def test_an_avatar_that_is_not_there_is_a_mistake_in_the_persona(
    town: Town, puppetry: Puppetry, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="avatar"):
        await puppetry.ensure(puppet(avatar=str(tmp_path / "missing.png")))


async def test_a_homeserver_without_custom_profile_fields_will_do(
    server: Answers, town: Town, puppetry: Puppetry
) -> None:
    server.on("PUT", f"{PROFILE}/(io|dev).*", refusal(404, "M_UNRECOGNIZED"))
    await puppetry.ensure(puppet())
    assert town.profile == {"displayname": "Luna (AI)"}


async def test_a_puppet_is_recorded_before_it_can_be_heard(
    server: Answers, town: Town, puppetry: Puppetry, memory: Memory
) -> None:
    server.on("GET", PROFILE, refusal(500, "M_UNKNOWN"))
    with pytest.raises(Unreachable):
        await puppetry.ensure(puppet())
    assert memory.records[PuppetId("luna")].state == "registered"


async def test_a_puppet_of_another_server_name_is_a_new_one(
    town: Town, puppetry: Puppetry, memory: Memory
) -> None:
    old = PuppetRecord(
        puppet_id=PuppetId("luna"),
        user_id=puppet("other").user_id,
        device_id=puppet().device_id,
        avatar_hash="x",
        avatar_mxc="mxc://old.example/face",
    )
    await memory.put(old)
    await puppetry.ensure(puppet())
    record = memory.records[PuppetId("luna")]
    assert (record.user_id, record.avatar_mxc) == (LUNA, "")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(401, "M_UNKNOWN_TOKEN"), TokenRejected),
        (refusal(400, "M_EXCLUSIVE"), Refused),
        (refusal(503, "M_UNKNOWN"), Unreachable),
    ],
)
async def test_an_account_that_cannot_be_made_is_an_error(
    server: Answers, town: Town, puppetry: Puppetry, answer: Answer, error: type[Exception]
) -> None:
    server.on("POST", f"{V3}/register", answer)
    with pytest.raises(error):
        await puppetry.ensure(puppet())


async def test_a_retired_puppet_leaves_every_room_and_its_account(
    server: Answers, town: Town, puppetry: Puppetry, memory: Memory
) -> None:
    await puppetry.ensure(puppet())
    server.on("GET", f"{V3}/joined_rooms", {"joined_rooms": [ROOM, "!gone", "!other"]})
    server.on("POST", f"{V3}/rooms/.*/leave", {})
    server.on("POST", f"{V3}/rooms/!gone/leave", refusal(403, "M_FORBIDDEN"))
    server.on("POST", f"{V3}/account/deactivate", {"id_server_unbind_result": "success"})
    assert await puppetry.retire(puppet(), "Goodbye.") == 3
    left = server.requests("POST", "leave")
    assert [asked.path.split("/")[4] for asked in left] == [ROOM, "!gone", "!other"]
    assert left[0].content == {"reason": "Goodbye."}
    (deactivated,) = server.requests("POST", "deactivate")
    assert deactivated.content == {"erase": False}
    assert memory.records[PuppetId("luna")].state == "retired"


async def test_retiring_can_be_repeated_although_the_device_has_gone(
    server: Answers, puppetry: Puppetry
) -> None:
    def answering(asked: Asked) -> object:
        if "device_id" in asked.query:
            return refusal(400, "M_UNKNOWN_DEVICE")
        return {"joined_rooms": []}

    server.on("GET", f"{V3}/joined_rooms", answering)
    server.on("POST", f"{V3}/account/deactivate", answering)
    assert await puppetry.retire(puppet(), "Goodbye.") == 0


async def test_a_puppet_that_could_not_be_deactivated_is_not_retired(
    server: Answers, town: Town, puppetry: Puppetry, memory: Memory
) -> None:
    await puppetry.ensure(puppet())
    server.on("GET", f"{V3}/joined_rooms", {"joined_rooms": []})
    server.on("POST", f"{V3}/account/deactivate", refusal(403, "M_FORBIDDEN"))
    with pytest.raises(Refused):
        await puppetry.retire(puppet(), "Goodbye.")
    assert memory.records[PuppetId("luna")].state == "registered"
