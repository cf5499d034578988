"""The demo's bridge, configured by files as an operator's is: config.yaml and registration.yaml."""

from __future__ import annotations

from io import StringIO
from typing import Final

from ruamel.yaml import YAML

from bridge.config_file import load
from bridge.demo.engine_choice import EngineChoice
from bridge.demo.folder import Folder, State
from bridge.demo.synapse import SERVER_NAME
from bridge.personas import load_personas, shipped_folder
from bridge.registration import new_registration, write_registration
from bridge.settings import Settings

_HEAD: Final = """\
# Written by `matrix-ai-bridge demo` at each start. For a bridge of your own, begin with
# `matrix-ai-bridge registration --server-name example.org`.

"""


def configure(folder: Folder, state: State, engine: EngineChoice) -> Settings:
    """Write both files for this start, and return what they say. Every persona is enabled.

    The tokens are new at each start: the homeserver reads them when it starts, too.
    """
    homeserver_port, appservice_port, http_port = state.ports
    personas = load_personas(shipped_folder())
    content = {
        "homeserver": {"url": f"http://127.0.0.1:{homeserver_port}", "server_name": SERVER_NAME},
        "appservice": {
            "listen_port": appservice_port,
            "url": f"http://127.0.0.1:{appservice_port}",
        },
        "engine": {"kind": engine.kind, "model": engine.model}
        | ({"url": engine.url} if engine.url else {}),
        "personas": {"enabled": [str(persona.persona_id) for persona in personas]},
        "operator": {"name": "you (this is a demo on your machine)"},
        "http": {"port": http_port},
    }
    text = StringIO()
    YAML(typ="safe").dump(content, text)
    path = folder.data / "config.yaml"
    path.write_text(_HEAD + text.getvalue(), encoding="utf-8")
    # The environment belongs to the operator's own bridge: the demo is all of a piece.
    settings = load(path, {})
    write_registration(
        settings.appservice.registration, new_registration(settings), may_replace=True
    )
    return settings
