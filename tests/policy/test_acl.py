from __future__ import annotations

import pytest

from bridge.policy.acl import is_shut_out


@pytest.mark.parametrize(
    ("content", "is_out"),
    [
        ({"allow": ["*"]}, False),
        ({"allow": ["*"], "deny": ["home.example"]}, True),
        ({"allow": ["*"], "deny": ["*.example"]}, True),
        ({"allow": ["*"], "deny": ["evil.example"]}, False),
        ({"allow": ["friends.example"]}, True),
        ({"allow": ["h?me.example"]}, False),
        ({"deny": []}, True),
        ({}, True),
        ({"allow": "*"}, True),
        ({"allow": ["*"], "deny": [1, None, "HOME.example"]}, True),
    ],
)
def test_an_access_list_shuts_servers_out(content: dict[str, object], is_out: bool) -> None:
    assert is_shut_out("home.example:8448", content) is is_out


def test_addresses_may_be_shut_out() -> None:
    content = {"allow": ["*"], "allow_ip_literals": False}
    assert is_shut_out("127.0.0.1:8448", content)
    assert is_shut_out("[::1]:8448", content)
    assert not is_shut_out("home.example", content)
