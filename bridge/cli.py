"""The command line: words for people, exit status for programs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup

from bridge import app as bridge_app
from bridge import log
from bridge.clock import SystemClock
from bridge.config_file import load, read_text
from bridge.config_upgrade import create, replace_file
from bridge.config_upgrade import upgrade as upgraded
from bridge.doctor.finding import Finding, as_table
from bridge.doctor.finding import as_json as findings_as_json
from bridge.doctor.main import examine, examine_invariants
from bridge.doctor.pulling import mend
from bridge.endpoints import check_tools
from bridge.errors import BridgeError, ConfigError, ScenarioError
from bridge.house import build_cast, unallowed_tools
from bridge.registration import instructions, new_registration, write_registration
from bridge.retire import find_puppets, retire_puppets
from bridge.store.database import open_database
from bridge.store.migrations import LATEST
from bridge.store.migrations import migrate as migrate_database
from bridge.store.sole import sole_use

FAILED: Final = 1
UNUSABLE: Final = 2
_WIDEST: Final = 120

_HELP: Final = """\
AI members for ordinary Matrix rooms, with replies from your own Ollama.

To try it, with everything embedded:

- `matrix-ai-bridge demo`

On your own homeserver, in an empty folder:

- `matrix-ai-bridge registration --server-name example.org`
- `matrix-ai-bridge doctor`
- `matrix-ai-bridge run`

Settings are in config.yaml, or where `--config` or `MATRIX_AI_BRIDGE_CONFIG` say. An environment
variable overrides each of them: `MATRIX_AI_BRIDGE__ENGINE__MODEL=gemma3:4b`.
"""
_EPILOG: Final = (
    "Exit status: 0 it worked, 1 it failed, 2 what it was given (an option, a file, a setting) "
    "cannot be used."
)


class _Told(TyperGroup):
    """Says our own errors as sentences, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BridgeError as error:
            raise _exit_for(error) from None
        except BaseExceptionGroup as group:
            ours, others = group.split(BridgeError)
            if ours is None or others is not None:
                raise
            raise _exit_for(_first(ours)) from None


def _exit_for(error: BridgeError) -> typer.Exit:
    typer.echo(f"error: {error}", err=True)
    return typer.Exit(UNUSABLE if isinstance(error, ConfigError | ScenarioError) else FAILED)


def _first(group: BaseExceptionGroup[BridgeError]) -> BridgeError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


cli = typer.Typer(
    name="matrix-ai-bridge",
    cls=_Told,
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    # A traceback with local variables would show tokens.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_VARIABLE: Final = "MATRIX_AI_BRIDGE_CONFIG"
Config = Annotated[
    Path, typer.Option("--config", "-c", envvar=_VARIABLE, help="The configuration file.")
]


def main() -> None:
    """The program `matrix-ai-bridge`."""
    cli(prog_name="matrix-ai-bridge")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"matrix-ai-bridge {installed_version('matrix-ai-bridge')}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say the version and exit."
        ),
    ] = False,
) -> None:
    pass


@cli.command()
def run(config: Config = Path("config.yaml")) -> None:
    """Run the bridge until it is told to stop.

    It sets up or upgrades its database, brings the puppets up, and then handles rooms. A homeserver
    or an Ollama that is down is waited for. SIGTERM and Ctrl-C let replies under way finish (up to
    10 seconds). Logs go to stderr and hold no text of rooms. /health, /ready, /metrics and /status
    are at http.host and http.port of the configuration.

    Example:

    - `matrix-ai-bridge run --config /etc/matrix-ai-bridge/config.yaml`
    """
    _run(config, "run")


@cli.command()
def ingest(config: Config = Path("config.yaml")) -> None:
    """Take the homeserver's events in, as one of several processes over one PostgreSQL.

    It stores what the homeserver sends and answers nothing; `work` does that. Put two of them
    behind a proxy, and a restart of one is not noticed. Each process needs a listen_port and an
    http.port of its own.

    Example:

    - `MATRIX_AI_BRIDGE__HTTP__PORT=9011 matrix-ai-bridge ingest`
    """
    _run(config, "ingest")


@cli.command()
def work(config: Config = Path("config.yaml")) -> None:
    """Answer in rooms, as one of several processes over one PostgreSQL.

    Start and stop as many as you like, at any time: rooms move between them by themselves. The
    rooms of one that was killed are taken over within about a second, of one that is stopped
    (SIGTERM) at once. Each process needs an http.port of its own.

    Example:

    - `MATRIX_AI_BRIDGE__HTTP__PORT=9012 matrix-ai-bridge work`
    """
    _run(config, "work")


def _run(config: Path, role: bridge_app.Role) -> None:
    settings = load(config)
    log.configure(settings.log.level, settings.log.format)
    asyncio.run(bridge_app.run(settings, role, lambda: load(config)))


@cli.command()
def demo(
    say: Annotated[
        str | None,
        typer.Option(help="Say one thing, print the answer and end: a smoke test."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The Ollama model that replies.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over: forget rooms, accounts and messages.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download a model unasked.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where it keeps everything.", show_default="your data folder"),
    ] = None,
) -> None:
    """Try it: a homeserver, a room with three AI members and a chat, all on this machine.

    The first start installs Synapse into an environment of its own (about a minute). Replies come
    from an Ollama at OLLAMA_HOST or on this machine; without one from the demo engine, which says
    so. Any Matrix client on this machine can join in: address, user and password are printed.
    Ctrl-C stops everything, and the next start goes on where you were. With --say it exits with 0
    when a puppet answered and with 1 when none did.

    Examples:

    - `matrix-ai-bridge demo`
    - `matrix-ai-bridge demo --say "Luna, who are you?"`
    """
    # Imported here, like `replay`: what draws a chat costs every other start 0.2 s.
    from bridge.demo.demo import DemoOptions
    from bridge.demo.demo import demo as run_demo
    from bridge.demo.folder import default_folder

    options = DemoOptions(
        folder=folder or default_folder(), say=say, fresh=fresh, model=model, assume_yes=yes
    )
    log.configure("error")
    try:
        status = asyncio.run(run_demo(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        status = FAILED if say is not None else 0
    raise typer.Exit(status)


@cli.command()
def registration(
    config: Config = Path("config.yaml"),
    server_name: Annotated[
        str | None,
        typer.Option(help="Your server's name, behind the colon in user ids. For a new config."),
    ] = None,
    homeserver: Annotated[
        str | None,
        typer.Option(help="Where the bridge reaches the homeserver. For a new configuration."),
    ] = None,
    bridge_url: Annotated[
        str | None,
        typer.Option(help="Where the homeserver reaches the bridge. For a new configuration."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a registration; its tokens become invalid.")
    ] = False,
) -> None:
    """Write the registration for your homeserver, and say what to add to Synapse.

    This is the first command on a new installation. Where there is no configuration yet, it writes
    one too: with every setting, explained. The registration holds two fresh secrets, so only you
    may read it (mode 0600); the homeserver needs the same file.

    Examples:

    - `matrix-ai-bridge registration --server-name example.org`
    - `matrix-ai-bridge registration --server-name example.org --bridge-url http://bridge:9009`
    """
    given = {
        "homeserver.server_name": server_name,
        "homeserver.url": homeserver,
        "appservice.url": bridge_url,
    }
    _first_config(config, {key: value for key, value in given.items() if value is not None})
    settings = load(config)
    path = settings.appservice.registration
    write_registration(path, new_registration(settings), may_replace=force)
    print(instructions(path, settings))


def _first_config(config: Path, values: dict[str, str]) -> None:
    """Write the configuration where there is none; refuse values that would change one."""
    if config.exists():
        if values:
            raise ConfigError(
                f"{config} exists already. Set {', '.join(values)} in it, and run this again "
                "without these options."
            )
        return
    if "homeserver.server_name" not in values:
        raise ConfigError(
            f"There is no configuration at {config} yet. To write one, say which server it is "
            "for: matrix-ai-bridge registration --server-name example.org"
        )
    create(config, values)
    print(f"Wrote {config.absolute()}: every setting, explained. Defaults suit a first start.\n")


@cli.command("check-config")
def check_config(
    config: Config = Path("config.yaml"),
    upgrade: Annotated[
        bool,
        typer.Option(
            "--upgrade",
            help="Add new settings and rename old ones; keeps your comments, and a .bak file.",
        ),
    ] = False,
) -> None:
    """Check the configuration, the personas and the environment, without starting anything.

    Every mistake is told with its key, its value and what to write instead. After an upgrade of the
    program, --upgrade adds the new settings with their explanations; your comments, order and
    values stay as they are, and where nothing is missing nothing is written.

    Example:

    - `matrix-ai-bridge check-config --upgrade`
    """
    if upgrade:
        _upgrade(config)
    settings = load(config)
    cast = build_cast(settings)
    print(f"{config.absolute()} is fine.")
    print(f"Puppets: {', '.join(puppet.user_id for puppet in cast.personas())}")
    print(f"Bridge user: {settings.bridge_user_id()}")
    check_tools(settings.tools)
    for puppet_id, names in unallowed_tools(settings, cast).items():
        print(
            f"{puppet_id} wants tools that are not allowed, and goes without them: "
            f"{', '.join(names)}. To allow them, add them to tools.allow."
        )


def _upgrade(config: Path) -> None:
    done = upgraded(read_text(config), config)
    if not done.is_changed:
        print("No setting is missing.")
        return
    backup = replace_file(config, done.text)
    for old, new in done.renamed:
        print(f"Renamed {old} to {new}.")
    if done.added:
        print(f"Added {', '.join(done.added)}.")
    print(f"The file as it was: {backup}")


@cli.command()
def doctor(
    config: Config = Path("config.yaml"),
    invariants: Annotated[
        bool,
        typer.Option("--invariants", help="Check the tables instead: is anything stuck or lost?"),
    ] = False,
    pull: Annotated[
        bool, typer.Option("--pull", help="Download configured models that are missing, unasked.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: a list of findings.")
    ] = False,
) -> None:
    """Check everything between you and an answer, and say how to mend what is wrong.

    Configuration, access rules, registration, database, homeserver, tokens, whether the homeserver
    reaches the bridge, whether a repeated send is recognised, clock, engine and models. Run it
    before the first start (it listens for the homeserver itself meanwhile) or while the bridge is
    running. For the check of repeated sends it makes a private room and leaves it again. It exits
    with 1 when a check failed; warnings don't count. Where an Ollama lacks a configured model it
    offers, at a terminal, to download it; without a yes, or --pull, nothing is. --invariants checks
    what must always hold of the database: no event, turn or effect is stuck or lost, nothing is
    kept for too long.

    Examples:

    - `matrix-ai-bridge doctor --json`
    - `matrix-ai-bridge doctor --pull`
    - `matrix-ai-bridge doctor --invariants`
    """
    if pull and invariants:
        raise typer.BadParameter("--invariants looks at the database only; leave --pull out.")
    log.configure("error")
    check = examine_invariants if invariants else examine
    findings = asyncio.run(check(config, SystemClock()))
    if not as_json:
        _print_findings(findings)
    is_attended = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    if pull or (is_attended and not invariants):
        found = findings
        ask = None if pull else typer.confirm
        console = Console(stderr=as_json)
        findings = asyncio.run(mend(config, found, console=console, ask=ask))
        if not as_json and findings != found:
            _print_findings([finding for finding in findings if finding not in found])
    if as_json:
        print(findings_as_json(findings))
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(FAILED)


def _print_findings(findings: Sequence[Finding]) -> None:
    width = min(shutil.get_terminal_size((100, 24)).columns, _WIDEST)
    print(as_table(findings, width=width, is_coloured=sys.stdout.isatty()))


@cli.command()
def migrate(config: Config = Path("config.yaml")) -> None:
    """Bring the database to the newest schema.

    `run` does this by itself. Do it ahead to see whether it works, or to make a backup first. It
    happens completely or not at all, and once more changes nothing, also from two places at once.
    On PostgreSQL the version before can go on working meanwhile; an SQLite file has to be free.

    Example:

    - `matrix-ai-bridge migrate`
    """
    url = load(config).database.url
    with sole_use(url):
        asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    database = await open_database(url, SystemClock())
    try:
        before = await migrate_database(database)
    finally:
        await database.close()
    if before < LATEST:
        print(f"The database {database.place} went from schema v{before} to v{LATEST}.")
    else:
        print(f"The database {database.place} is at schema v{before} already. Nothing changed.")


@cli.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Conversation files.", metavar="FILE...")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file.")] = False,
) -> None:
    """Play conversation files and say who would answer what, and why.

    Nothing real is touched: the whole bridge runs on a simulated homeserver, clock and engine. It
    exits with 1 when a file's expectations don't hold, and with 2 when a file cannot be used.

    Example:

    - `matrix-ai-bridge replay tests/scenarios/*.yaml`
    """
    from bridge.replay.main import main as run_replay

    log.configure("error")
    raise typer.Exit(run_replay(files, as_json=as_json))


@cli.command("bench-engine")
def bench_engine(
    url: Annotated[str, typer.Argument(help="The server's address.", metavar="URL")],
    model: Annotated[str, typer.Argument(help="Empty: chosen as `run` would.")] = "",
    num_ctx: Annotated[int, typer.Option(help="Tokens of context to ask for.", min=1024)] = 8192,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a model server with this program's own kind of work, to size your machine.

    It asks for replies in made-up rooms, 1, 2, 4 and 8 at once: seconds to the first word, tokens a
    second, how much of a room that it knows the server reads again, and which engine.slots and
    engine.num_ctx fit. It takes a minute or more, and the model is busy meanwhile. A key is read
    from MATRIX_AI_BRIDGE__ENGINE__API_KEY.

    Example:

    - `matrix-ai-bridge bench-engine http://localhost:11434 gemma3:12b`
    """
    from bridge.bench_engine import as_json as to_json
    from bridge.bench_engine import run

    log.configure("error")
    key = os.environ.get("MATRIX_AI_BRIDGE__ENGINE__API_KEY", "")
    measured = asyncio.run(run(url, model, num_ctx, key, Console(stderr=as_json)))
    if as_json:
        print(to_json(measured))


@cli.command()
def retire(
    puppet: Annotated[
        str | None, typer.Argument(help="Name of the puppet's file (luna), or its user id.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Every puppet and the bridge user: a clean uninstall.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    config: Config = Path("config.yaml"),
) -> None:
    """Let a puppet leave all its rooms and deactivate its account, for ever.

    A homeserver does not give a deactivated name again, so this cannot be undone. Stop the bridge
    first, and take the puppet out of personas.enabled. With --all nothing of the bridge is left in
    any room: afterwards remove the registration from homeserver.yaml.

    Examples:

    - `matrix-ai-bridge retire luna`
    - `matrix-ai-bridge retire --all --yes`
    """
    if (puppet is None) != everybody:
        raise typer.BadParameter("Name one puppet, or say --all.")
    log.configure("error")
    settings = load(config)
    clock = SystemClock()
    records = asyncio.run(find_puppets(settings, puppet, clock))
    if not records:
        print("Nothing to do: no such account is active.")
        return
    names = ", ".join(record.user_id for record in records)
    if not yes:
        typer.confirm(f"Retire {names}? This cannot be undone.", abort=True)
    if not asyncio.run(retire_puppets(settings, records, clock, print)):
        raise typer.Exit(FAILED)
    print("Take them out of personas.enabled before the next start.")
