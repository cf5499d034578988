"""What the demo prints, at a terminal and into a pipe."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bridge.demo.engine_choice import EngineChoice
from bridge.demo.person import Heard
from bridge.demo.terminal import Terminal

GUEST, LUNA = "@guest:localhost", "@ai_luna:localhost"
NAMES = {LUNA: "Luna (AI)", "@ai_milo:localhost": "Milo (AI)"}
DEMO = EngineChoice(kind="demo", label="demo engine, no AI model connected", reason="none there")


def screen(*, is_terminal: bool = True, width: int = 60) -> tuple[Terminal, io.StringIO]:
    terminal, paper = Terminal(), io.StringIO()
    terminal.console = terminal.progress = Console(
        file=paper, width=width, force_terminal=is_terminal, color_system=None, highlight=False
    )
    return terminal, paper


def heard(sender: str, text: str, *, is_edit: bool = False, is_generated: bool = True) -> Heard:
    return Heard(
        event_id="$1",
        sender=sender,
        text=text,
        reply_to="",
        is_generated=is_generated,
        is_notice=False,
        is_edit=is_edit,
    )


def shown(text: str, *, is_terminal: bool = True, sender: str = LUNA) -> list[str]:
    terminal, paper = screen(is_terminal=is_terminal)
    terminal.show(heard(sender, text), NAMES, GUEST)
    return [line.rstrip() for line in paper.getvalue().splitlines()]


def test_a_long_answer_is_wrapped_beside_the_name() -> None:
    lines = shown(" ".join(["word"] * 40))
    assert lines[0].startswith("Luna (AI)  word")
    assert len(lines) > 3
    assert all(line.startswith(" " * 11 + "word") for line in lines[1:])
    assert " ".join(lines).count("word") == 40


def test_a_word_longer_than_the_line_is_kept_whole() -> None:
    assert "".join(line.strip() for line in shown("x" * 200)).count("x") == 200


def test_markdown_of_an_answer_is_rendered_and_that_of_a_person_is_not() -> None:
    rendered = "\n".join(shown("**bold** and\n\n- one\n- two\n\n```\ncode\n```"))
    assert "bold and" in rendered and "• one" in rendered and "code" in rendered
    assert "**" not in rendered and "```" not in rendered
    terminal, paper = screen()
    terminal.show(heard(GUEST, "**bold**", is_generated=False), NAMES, GUEST)
    assert "**bold**" in paper.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_text_that_looks_like_terminal_markup_stays_as_it_is(is_terminal: bool) -> None:
    assert "[red]a[/red] [/] :smile:" in "\n".join(
        shown("[red]a[/red] [/] :smile:", is_terminal=is_terminal)
    )


def test_into_a_pipe_a_message_is_one_undecorated_line() -> None:
    text = "**kept** " + "word " * 40 + "end"
    assert shown(text, is_terminal=False) == [f"Luna (AI): {text}"]
    assert shown("hello", is_terminal=False, sender=GUEST) == ["You: hello"]
    assert shown("hi", is_terminal=False, sender="@bob:localhost") == ["@bob:localhost: hi"]


def test_an_edit_is_marked() -> None:
    terminal, paper = screen(is_terminal=False)
    terminal.show(heard(LUNA, "better", is_edit=True), NAMES, GUEST)
    assert paper.getvalue() == "Luna (AI): better (edited)\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_how_to_join_in_and_which_engine_answers_are_shown(is_terminal: bool) -> None:
    terminal, paper = screen(is_terminal=is_terminal, width=90)
    terminal.welcome(
        url="http://127.0.0.1:20000",
        user_id=GUEST,
        password="pass-word",
        status_url="http://127.0.0.1:20001/status",
        engine=DEMO,
    )
    for what in ("http://127.0.0.1:20000", GUEST, "pass-word", "/status", DEMO.label, DEMO.reason):
        assert what in paper.getvalue(), what


def test_a_step_is_told_once_however_often_its_details_change() -> None:
    terminal, paper = screen(is_terminal=False)
    for detail in ("", ": twisted", ": attrs"):
        terminal.step(f"Installing{detail}")
    terminal.step("Starting")
    assert paper.getvalue().splitlines() == ["Installing …", "Starting …"]


def test_where_the_terminal_has_gone_nothing_more_is_said() -> None:
    terminal, paper = screen()
    terminal.hang_up()
    terminal.note("Stopped.")
    terminal.fail("It broke.")
    assert paper.getvalue() == ""
