"""Changing config.yaml by program: what the operator wrote stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.config_file import example_text, key_names, load, parse
from bridge.config_upgrade import replace_file, upgrade, with_values
from bridge.errors import ConfigError

PATH = Path("config.yaml")

MINE = """\
# my bridge, do not touch

homeserver:
    url: http://hs:8008   # the inner network
    # old: http://hs-old:8008
    server_name: "me.org"

database:

access:
  invite:
    allow:
    - "*"
    # nobody else
# end of access
engine:
  kind: demo
  num_ctx: 4096
admins: ["@a:me.org"]"""


def test_keys_that_are_missing_are_added_with_the_comments_of_the_example() -> None:
    text = upgrade(MINE, PATH).text
    assert "  # Longest reply, in tokens.\n  max_reply_tokens: 400\n" in text
    assert "\n# Who runs this. It is told to every room that a puppet joins.\noperator:\n" in text


def test_every_line_of_the_operator_stays_in_its_order() -> None:
    old = MINE.splitlines()
    assert is_subsequence(old, upgrade(MINE, PATH).text.splitlines())


def test_values_stay_and_the_result_has_every_key(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(upgrade(MINE, PATH).text)
    settings = load(path, {})
    assert settings.homeserver.url == "http://hs:8008"
    assert settings.engine.num_ctx == 4096
    assert settings.access.invite.allow == ("*",)
    assert settings.admins == ("@a:me.org",)


def test_what_was_added_is_told_by_key() -> None:
    added = upgrade(MINE, PATH).added
    assert "database.url" in added
    assert "access.invite.deny" in added
    assert "retention" in added
    assert "engine.kind" not in added


def test_keys_are_added_at_the_indentation_of_their_section() -> None:
    text = upgrade("homeserver:\n      url: http://hs:8008\n", PATH).text
    assert "\n      server_name: example.org\n" in text


def test_nothing_changes_when_nothing_is_missing() -> None:
    done = upgrade(example_text(), PATH)
    assert not done.is_changed
    assert done.text == example_text()
    again = upgrade(upgrade(MINE, PATH).text, PATH)
    assert not again.is_changed


def test_an_empty_file_becomes_complete() -> None:
    text = upgrade("# mine\n", PATH).text
    assert text.startswith("# mine\n")
    assert not upgrade(text, PATH).is_changed


def test_windows_line_ends_stay() -> None:
    text = upgrade(MINE.replace("\n", "\r\n"), PATH).text
    assert "\n" not in text.replace("\r\n", "")


def test_a_key_that_has_a_new_name_is_renamed_with_its_comment_and_value() -> None:
    done = upgrade(
        "engine:\n  # mine\n  model_name: qwen  # good\n",
        PATH,
        renames={"engine.model_name": "engine.model"},
    )
    assert "engine:\n  # mine\n  model: qwen  # good\n" in done.text
    assert done.renamed == (("engine.model_name", "engine.model"),)
    assert "engine.model" not in done.added


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("log: {level: debug}\n", "log is written in braces"),
        ("log: null\n", "take away the value of log"),
        ("log: info\n", "log holds a value where its keys belong"),
        ("log:\n  level: debug\n...\n", "holds an end mark"),
        ("personas:\n  enabled: [luna,\nmilo]\n", "cannot be upgraded automatically"),
        ("operator:\n  name: |+\n    a\n\n\nhttp:\n", "says about: operator.name"),
    ],
)
def test_a_file_that_cannot_be_upgraded_safely_is_refused_with_the_way_out(
    text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        upgrade(text, PATH)


@settings(max_examples=12, deadline=None)
@given(
    st.sets(st.sampled_from(list(key_names())), min_size=1),
    st.sampled_from(["", "\n", "\n# a remark\n\n"]),
)
def test_whatever_keys_are_missing_the_rest_stays(missing: set[str], between: str) -> None:
    lines: list[str] = []
    section: list[str] = []
    for line in example_text().splitlines():
        name = line.partition(":")[0]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        level = (len(name) - len(name.lstrip())) // 2
        section = [*section[:level], name.strip()]
        if ".".join(section) not in missing:
            lines += [line, *between.splitlines()]
    text = "\n".join(lines)
    done = upgrade(text, PATH)
    assert is_subsequence(text.rstrip().splitlines(), done.text.splitlines())
    assert set(done.added) <= {*missing, *(key.rpartition(".")[0] for key in missing)}
    assert parse(done.text, PATH) == parse(example_text(), PATH)


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(line in rest for line in part)


def test_values_of_a_new_file_replace_those_of_the_example_and_nothing_else() -> None:
    text = with_values(
        example_text(),
        {"homeserver.url": "https://[::1]:8448", "homeserver.server_name": "me.org:8448"},
    )
    changed = [line for line in text.splitlines() if line not in example_text().splitlines()]
    assert changed == ['  url: "https://[::1]:8448"', "  server_name: me.org:8448"]


def test_the_old_file_is_kept_beside_the_new_one_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("old\n")
    path.chmod(0o640)
    backup = replace_file(path, "new\n")
    assert path.read_text() == "new\n"
    assert backup.read_text() == "old\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.yaml", "config.yaml.bak"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "real.yaml"
    target.write_text("old\n")
    link = tmp_path / "config.yaml"
    link.symlink_to(target)
    replace_file(link, "new\n")
    assert link.is_symlink()
    assert target.read_text() == "new\n"
