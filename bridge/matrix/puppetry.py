"""Brings puppets up: account, device, name, avatar, marks. Only what differs is written."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mautrix.api import Method

from bridge import log
from bridge.domain.ids import DeviceId, localpart_of
from bridge.domain.persona import Puppet, PuppetRecord
from bridge.domain.vendor import AI_KEY, BOT_FLAG
from bridge.errors import ConfigError, Refused
from bridge.matrix.homeserver import MatrixHomeserver
from bridge.ports import PuppetMemory

_V3: Final = "_matrix/client/v3"


class Puppetry:
    """Registers, dresses and retires puppets."""

    def __init__(
        self, *, homeserver: MatrixHomeserver, memory: PuppetMemory, operator: str
    ) -> None:
        self._homeserver = homeserver
        self._memory = memory
        self._operator = operator
        self._log = log.get("matrix.puppetry")

    async def ensure(self, puppet: Puppet) -> None:
        """Make the puppet what it should be. Safe to repeat. Raises HomeserverError."""
        record = await self._memory.get(puppet.puppet_id)
        if record is None or record.user_id != puppet.user_id:
            record = PuppetRecord(
                puppet_id=puppet.puppet_id, user_id=puppet.user_id, device_id=puppet.device_id
            )
        await self._register(puppet)
        await self._create_device(puppet)
        record = replace(record, device_id=puppet.device_id, state="registered")
        # Recorded before anything is sent: an echo is believed only of a recorded puppet.
        await self._memory.put(replace(record, display_name=puppet.display_name))
        record = await self._dress(puppet, record)
        await self._memory.put(replace(record, display_name=puppet.display_name))

    async def retire(self, puppet: Puppet, reason: str) -> int:
        """Leave every room and deactivate the account; returns how many rooms were left.

        Nobody can register the name again; Synapse would let `ensure` revive it. Safe to repeat.
        Raises HomeserverError.
        """
        # Deactivating deletes the device: a second try must do without.
        puppet = replace(puppet, device_id=DeviceId(""))
        rooms = await self._homeserver.joined_rooms(puppet)
        for room_id in rooms:
            try:
                await self._homeserver.leave(puppet, room_id, reason)
            except Refused as refusal:
                # Deactivating takes the account out of what is left.
                self._log.info("leave_refused", puppet=puppet.puppet_id, why=refusal.errcode)
        await self._homeserver.call(
            puppet, Method.POST, f"{_V3}/account/deactivate", {"erase": False}
        )
        if record := await self._memory.get(puppet.puppet_id):
            await self._memory.put(replace(record, state="retired"))
        return len(rooms)

    async def _register(self, puppet: Puppet) -> None:
        content = {
            "type": "m.login.application_service",
            "username": localpart_of(puppet.user_id),
            # Without it a homeserver that lets appservices manage devices refuses, and yet creates.
            "inhibit_login": True,
        }
        try:
            await self._homeserver.call_as_appservice(Method.POST, f"{_V3}/register", content)
        except Refused as refusal:
            if refusal.errcode != "M_USER_IN_USE":
                raise
        else:
            self._log.info("puppet_registered", puppet=puppet.puppet_id)

    async def _create_device(self, puppet: Puppet) -> None:
        path = f"{_V3}/devices/{quote(puppet.device_id, safe='')}"
        await self._homeserver.call(
            puppet, Method.PUT, path, {"display_name": "Matrix AI Bridge"}, device_id=""
        )

    async def _dress(self, puppet: Puppet, record: PuppetRecord) -> PuppetRecord:
        shown = await self._profile(puppet)
        if shown.get("displayname") != puppet.display_name:
            await self._put_profile(puppet, "displayname", puppet.display_name)
        record = await self._with_avatar(puppet, record)
        if record.avatar_mxc and shown.get("avatar_url") != record.avatar_mxc:
            await self._put_profile(puppet, "avatar_url", record.avatar_mxc)
        marks: dict[str, object] = {
            AI_KEY: {"persona": puppet.persona.persona_id, "operator": self._operator},
            BOT_FLAG: True,
        }
        for key, value in marks.items():
            if shown.get(key) == value:
                continue
            try:
                await self._put_profile(puppet, key, value)
            except Refused as refusal:
                # Homeservers without custom profile fields (MSC4133) know only the two of old.
                self._log.info("profile_mark_refused", field=key, why=refusal.errcode)
                break
        return record

    async def _with_avatar(self, puppet: Puppet, record: PuppetRecord) -> PuppetRecord:
        if not puppet.persona.avatar:
            return record
        path = Path(puppet.persona.avatar)
        data = _read(path, puppet)
        digest = hashlib.sha256(data).hexdigest()
        if digest == record.avatar_hash and record.avatar_mxc:
            return record
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        mxc = await self._homeserver.upload(puppet, path.name, data, kind)
        return replace(record, avatar_hash=digest, avatar_mxc=mxc)

    async def _profile(self, puppet: Puppet) -> Mapping[str, Any]:
        path = f"{_V3}/profile/{quote(puppet.user_id, safe='')}"
        try:
            return await self._homeserver.call(puppet, Method.GET, path)
        except Refused:
            return {}

    async def _put_profile(self, puppet: Puppet, key: str, value: object) -> None:
        path = f"{_V3}/profile/{quote(puppet.user_id, safe='')}/{quote(key, safe='')}"
        await self._homeserver.call(puppet, Method.PUT, path, {key: value})


def _read(path: Path, puppet: Puppet) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The avatar of {puppet.puppet_id} cannot be read: {path} ({error.strerror}). "
            "Correct `avatar` in the persona's file."
        ) from error
