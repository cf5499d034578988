"""Who may operate models, which model and server a command means, and how it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.decision import FetchModel, Say, Silence, TakeStock
from bridge.domain.events import News
from bridge.domain.ids import EventId, UserId
from bridge.domain.model import Stock, Wanted, is_model_name, is_same_model
from bridge.domain.room import Member, Room, with_member
from bridge.policy.decide import decide
from bridge.policy.operating import (
    Unfit,
    duration_of,
    is_admin,
    is_admins_dm,
    meant,
    size_of,
    stock_told,
)
from bridge.policy.view import View
from bridge.policy.wording import LANGUAGES
from tests.policy.builders import (
    ALICE,
    BOB,
    CAROL,
    LUNA,
    NOW,
    ROOM,
    dm,
    house,
    message,
    view,
)

OF_HOUSE = replace(house(), admins=(ALICE, "@ops-*:home.example", "@*:far.example"))
ONE, TWO = "http://one:11434", "http://two:11434"
WANTED = (
    Wanted(server=ONE, model="gemma3:4b", purposes=("reply",)),
    Wanted(server=TWO, model="Gemma3:4b", purposes=("reply",)),
    Wanted(server=TWO, model="tiny", purposes=("gate",)),
    Wanted(server="http://vllm/v1", model="big", can_be_pulled=False),
    Wanted(server="http://three:11434", model=""),
)


def admins_view(of: Room | None = None) -> View:
    return replace(view(of or dm()), house=OF_HOUSE)


def news() -> News:
    return News(
        event_id=EventId("~pull~1~end"),
        room_id=ROOM,
        sender=LUNA.user_id,
        sent_at=NOW,
        received_at=NOW,
        puppet_id=LUNA.puppet_id,
        sentence="pull_there",
        values=(("model", "m"), ("server", ONE)),
    )


@pytest.mark.parametrize(
    ("person", "is_one"),
    [
        (ALICE, True),
        (BOB, False),
        (UserId("@ops-dora:home.example"), True),
        (UserId("@ops-dora:home.example.evil"), False),
        (CAROL, False),
    ],
)
def test_who_is_an_admin(person: UserId, is_one: bool) -> None:
    assert is_admin(OF_HOUSE, person, dm()) is is_one


def test_a_dm_is_one_while_its_two_are_alone_and_there() -> None:
    assert is_admins_dm(OF_HOUSE, dm())
    assert not is_admins_dm(OF_HOUSE, dm(person=BOB))
    assert not is_admins_dm(OF_HOUSE, replace(dm(), direct=None))
    third = with_member(dm(), Member(user_id=BOB, membership="join"))
    assert not is_admins_dm(OF_HOUSE, third)
    gone = with_member(dm(), Member(user_id=ALICE, membership="leave"))
    assert not is_admins_dm(OF_HOUSE, gone)


def test_an_admins_commands_become_what_they_say() -> None:
    (fetch,) = decide(admins_view(), message("!ai pull Gemma3:4b http://one:11434"), NOW)
    assert isinstance(fetch, FetchModel)
    assert (fetch.model, fetch.server) == ("gemma3:4b", ONE)
    (stock,) = decide(admins_view(), message("!ai models"), NOW)
    assert isinstance(stock, TakeStock)


@pytest.mark.parametrize(
    "text",
    ["!ai pull `gemma3:4b`", '!ai pull "gemma3:4b"', "!ai: pull gemma3:4b", "!ai PULL Gemma3:4B"],
)
def test_a_model_is_taken_as_it_was_typed(text: str) -> None:
    (fetch,) = decide(admins_view(), message(text), NOW)
    assert isinstance(fetch, FetchModel)
    assert (fetch.model, fetch.server) == ("gemma3:4b", "")


def test_nothing_of_it_happens_where_nothing_may_be_written() -> None:
    unknown = replace(dm(), is_encrypted=None)
    (only,) = decide(admins_view(unknown), message("!ai pull gemma3:4b"), NOW)
    assert isinstance(only, Silence)


@pytest.mark.parametrize("text", ["!ai pull gemma3:4b", "!ai models"])
def test_another_persons_message_in_an_admins_dm_is_no_admins(text: str) -> None:
    (only,) = decide(admins_view(), message(text, sender=BOB), NOW)
    assert isinstance(only, Say)
    assert only.sentence == "for_admins"


@pytest.mark.parametrize(
    "text", ["@luna pull yourself together", "Luna, pull", "models", "Luna pull"]
)
def test_words_that_people_say_are_no_commands(text: str) -> None:
    decisions = decide(admins_view(), message(text), NOW)
    assert not any(isinstance(d, FetchModel | TakeStock | Say) for d in decisions)


def test_news_is_told_in_an_admins_dm_and_nowhere_else() -> None:
    (said,) = decide(admins_view(), news(), NOW)
    assert isinstance(said, Say)
    assert (said.sentence, said.puppet_id) == ("pull_there", LUNA.puppet_id)
    for of in (dm(person=BOB), replace(dm(), direct=None)):
        (only,) = decide(admins_view(of), news(), NOW)
        assert isinstance(only, Silence)


@pytest.mark.parametrize(
    "name", ["gemma3", "gemma3:4b", "me/model:tag", "hf.co/me/model-GGUF:Q4_K_M", "host:5000/a/b:c"]
)
def test_names_of_models(name: str) -> None:
    assert is_model_name(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "../x", "a/b/c/d", "a:b:c", "-x", ":tag", "a b", "a\nb", "x" * 81, "模型", "`a`"],
)
def test_what_is_no_name_of_a_model(name: str) -> None:
    assert not is_model_name(name)


def test_a_name_without_a_tag_is_the_newest_of_it() -> None:
    assert is_same_model("gemma3", "Gemma3:latest")
    assert not is_same_model("gemma3:4b", "gemma3")
    assert is_same_model("localhost:5000/a/b", "localhost:5000/a/b:latest")


@pytest.mark.parametrize(
    ("model", "server", "servers"),
    [
        ("gemma3:4b", "", [ONE, TWO]),
        ("gemma3:4b", "http://two:11434", [TWO]),
        ("gemma3:4b", "two:11434", [TWO]),
        ("gemma3:4b", "one", [ONE]),
        ("tiny:latest", "", [TWO]),
    ],
)
def test_a_command_means_every_server_that_should_have_it_or_the_one_it_names(
    model: str, server: str, servers: list[str]
) -> None:
    found = meant(WANTED, model, server)
    assert not isinstance(found, Unfit)
    assert [each.server for each in found] == servers


@pytest.mark.parametrize(
    ("model", "server", "sentence"),
    [
        ("llama3", "", "pull_unknown"),
        ("gemma3:4b", "four", "bad_setting"),
        ("tiny", "one", "bad_setting"),
        ("big", "", "pull_elsewhere"),
    ],
)
def test_what_nothing_can_be_pulled_for_says_why(model: str, server: str, sentence: str) -> None:
    found = meant(WANTED, model, server)
    assert isinstance(found, Unfit)
    assert found.sentence == sentence


def test_of_many_models_not_all_are_listed() -> None:
    wanted = Wanted(server=ONE, model="m`x", purposes=("reply",))
    stock = [Stock(wanted=wanted, model="m`x", state="missing")] * 60
    (say,) = decide(admins_view(), message("!ai models"), NOW)
    assert isinstance(say, TakeStock)
    lines = dict(stock_told(say.say, stock).values)["list"].splitlines()
    assert len(lines) == 41
    assert lines[0] == f"- ❌ `m'x`: reply · `{ONE}`"


def test_sizes_and_times_are_told_shortly() -> None:
    assert [size_of(n) for n in (0, 1100, 45_000_000, 3_338_801_804)] == [
        "",
        "0.0 MB",
        "45.0 MB",
        "3.3 GB",
    ]
    assert [duration_of(s * 1000) for s in (0, 42, 119, 720, 11_100)] == [
        "0 s",
        "42 s",
        "119 s",
        "12 min",
        "3 h 5 min",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_commands_are_shown_in_every_language(language: str) -> None:
    for key in ("help_of_pull", "missing_told", "pull_disk_full", "no_model_told"):
        assert "`{prefix} pull" in LANGUAGES[language][key]
