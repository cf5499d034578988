"""The configuration of a test homeserver: open to loopback, without limits, quick to try again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_UNLIMITED: Final = {"per_second": 10_000, "burst_count": 10_000}
_LIMITS: Final[Mapping[str, Any]] = {
    "rc_message": _UNLIMITED,
    "rc_registration": _UNLIMITED,
    "rc_admin_redaction": _UNLIMITED,
    "rc_joins_per_room": _UNLIMITED,
    "rc_key_requests": _UNLIMITED,
    "rc_media_create": _UNLIMITED,
    "rc_room_creation": _UNLIMITED,
    "rc_profile": _UNLIMITED,
    "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED},
    "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
    "rc_invites": {"per_room": _UNLIMITED, "per_user": _UNLIMITED, "per_issuer": _UNLIMITED},
    "rc_federation": {
        "window_size": 1000,
        "sleep_limit": 10_000,
        "sleep_delay": 0,
        "reject_limit": 10_000,
        "concurrent": 100,
    },
    "federation_rr_transactions_per_room_per_second": 1000,
}
_FEDERATION: Final[Mapping[str, Any]] = {
    # A bare number is milliseconds; Synapse knows no unit for them.
    "client_timeout": "10s",
    "max_long_retry_delay": "2s",
    "max_short_retry_delay": 500,
    "max_long_retries": 3,
    "max_short_retries": 2,
    "destination_min_retry_interval": 500,
    "destination_retry_multiplier": 1,
    "destination_max_retry_interval": "1s",
}


def homeserver_config(
    *,
    folder: Path,
    name: str,
    url: str,
    client_port: int,
    federation_port: int,
    tls: Path,
    registrations: Sequence[Path],
    database: Mapping[str, Any],
    registration_secret: str,
) -> dict[str, Any]:
    """What stands in homeserver.yaml. All paths are absolute: Synapse changes its folder."""
    return {
        "server_name": name,
        "public_baseurl": f"{url}/",
        "pid_file": str(folder / "synapse.pid"),
        "log_config": str(folder / "log.yaml"),
        "listeners": [
            _listener(client_port, "client", is_tls=False),
            _listener(federation_port, "federation", is_tls=True),
        ],
        "tls_certificate_path": str(tls / "server.pem"),
        "tls_private_key_path": str(tls / "server.key"),
        "federation_custom_ca_list": [str(tls / "authority.pem")],
        "signing_key_path": str(folder / "signing.key"),
        "media_store_path": str(folder / "media"),
        "database": database,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "ip_range_blacklist": [],
        "federation_ip_range_blacklist": [],
        "registration_shared_secret": registration_secret,
        "macaroon_secret_key": "lab",
        "form_secret": "lab",
        "enable_registration": False,
        "report_stats": False,
        "bcrypt_rounds": 4,
        "presence": {"enabled": False},
        "url_preview_enabled": False,
        "user_directory": {"enabled": False},
        "app_service_config_files": [str(path) for path in registrations],
        "federation": _FEDERATION,
        "caches": {"global_factor": 0.5},
        **_LIMITS,
    }


def log_config(folder: Path) -> dict[str, Any]:
    line = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s %(request)s %(message)s"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": line, "datefmt": "%H:%M:%S"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "filename": str(folder / "synapse.log"),
                "formatter": "line",
            }
        },
        "root": {"level": "INFO", "handlers": ["file"]},
    }


def _listener(port: int, resource: str, *, is_tls: bool) -> dict[str, Any]:
    return {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "type": "http",
        "tls": is_tls,
        "resources": [{"names": [resource], "compress": False}],
    }
