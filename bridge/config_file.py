"""config.yaml and the environment, as settings. Everything wrong is said at once, with its fix."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bridge.errors import ConfigError
from bridge.personas import shipped_folder
from bridge.settings import Settings

ENV_PREFIX: Final = "MATRIX_AI_BRIDGE__"

RENAMED: Final[Mapping[str, str]] = MappingProxyType({})
"""Keys of earlier versions and what they are called now; both full paths, in one section."""

_SECRET: Final = re.compile(r"key|token|secret|password|^env$|^headers$")
_PASSWORD_IN_ADDRESS: Final = re.compile(r"(?<=://)([^/@\s:]*):[^/\s]*@")
_SHOWN_CHARS: Final = 80

_FIXES: Final[Mapping[str, str]] = {
    "string_type": "write text, in quotes where it looks like a number or yes/no",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "tuple_type": 'write a list, such as ["a", "b"]',
    "model_type": "write its keys below it, indented by two spaces",
    "path_type": "write the path of a file or folder",
}

Keys = tuple[str | int, ...]
"""Where a value stands: the keys on the way to it."""


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a file, overridden by the environment, with absolute paths.

    Raises ConfigError that lists everything wrong.
    """
    return interpret(read_text(path), path, environ)


def interpret(text: str, path: Path, environ: Mapping[str, str]) -> Settings:
    """As `load`, for a text that stands or will stand in the file."""
    written = parse(text, path)
    content = _plain(written)
    origins, problems = _override(content, environ)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        problems += [_problem(e, written, origins) for e in error.errors()]
    else:
        if not problems:
            return anchored(settings, path.absolute().parent)
    raise ConfigError(_listed(path, problems))


def example_text() -> str:
    """config/example.yaml, from the wheel or the checkout."""
    return (shipped_folder().parent / "example.yaml").read_text(encoding="utf-8")


def read_text(path: Path) -> str:
    """Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"There is no configuration at {path}. Create one with "
            "`matrix-ai-bridge registration --server-name YOUR.SERVER`, or name another file "
            "with --config."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}). Let the user that runs this read it."
        ) from error


def parse(text: str, path: Path) -> CommentedMap:
    """The keys of a YAML text, with their positions. Raises ConfigError with line and column."""
    try:
        content: object = YAML(typ="rt", pure=True).load(text)
    except DuplicateKeyError as error:
        raise ConfigError(_syntax(path, error, "a key stands there twice; remove one")) from error
    except MarkedYAMLError as error:
        problem = " ".join(filter(None, (error.context, error.problem)))
        fix = "tabs do not indent" if "\\t" in problem else "check indentation, colons and quotes"
        raise ConfigError(_syntax(path, error, f"{problem}; {fix}")) from error
    except YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if content is None:
        return CommentedMap()
    if not isinstance(content, CommentedMap):
        raise ConfigError(
            f"{path} holds no keys. It begins with lines such as `homeserver:`; "
            "config/example.yaml shows them all."
        )
    return content


def anchored(settings: Settings, folder: Path) -> Settings:
    """Relative paths made absolute: they start at the folder of the configuration."""
    appservice = settings.appservice.model_copy(
        update={"registration": _below(folder, settings.appservice.registration)}
    )
    database = settings.database.model_copy(
        update={"url": _anchored_url(settings.database.url, folder)}
    )
    update: dict[str, object] = {"appservice": appservice, "database": database}
    if settings.personas.folder is not None:
        where = _below(folder, settings.personas.folder)
        update["personas"] = settings.personas.model_copy(update={"folder": where})
    return settings.model_copy(update=update)


def _below(folder: Path, path: Path) -> Path:
    return folder / path.expanduser()


def _anchored_url(url: str, folder: Path) -> str:
    scheme, _, path = url.partition(":")
    if scheme.lower() != "sqlite" or not path or path.startswith(("/", ":")):
        return url
    return f"sqlite:{_below(folder, Path(path))}"


def _plain(written: Mapping[Any, Any]) -> dict[str, Any]:
    """Without keys that have no value: those have their default."""
    return {
        str(key): _plain(value) if isinstance(value, Mapping) else value
        for key, value in written.items()
        if value is not None
    }


def _override(
    content: dict[str, Any], environ: Mapping[str, str]
) -> tuple[dict[Keys, str], list[str]]:
    """Put the environment's values over `content`; which variable set what, and problems."""
    origins: dict[Keys, str] = {}
    problems: list[str] = []
    for name in sorted(environ):
        if not name.upper().startswith(ENV_PREFIX):
            continue
        path = tuple(name[len(ENV_PREFIX) :].lower().split("__"))
        if not _is_known(path):
            near = _nearest(path)
            hint = f"did you mean {ENV_PREFIX}{'__'.join(near).upper()}?" if near else "unset it"
            problems.append(f"{name} sets no key that exists; {hint}")
            continue
        origins[path] = name
        place = content
        for part in path[:-1]:
            inner = place.get(part)
            place[part] = place = dict(inner) if isinstance(inner, Mapping) else {}
        place[path[-1]] = _value(environ[name], _annotation(path))
    return origins, problems


def _value(text: str, annotation: object) -> object:
    """What a variable holds: JSON for lists and sections, a list also with commas; else text."""
    is_list = str(annotation).startswith("tuple")
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    if (is_list or is_section) and text.lstrip().startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if is_list:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _annotation(path: Sequence[str]) -> object:
    model: Any = Settings
    for part in path:
        model = model.model_fields[part].annotation
    return model


def _is_known(path: Sequence[str]) -> bool:
    return ".".join(path) in set(key_names(with_sections=True))


def key_names(model: type[BaseModel] = Settings, *, with_sections: bool = False) -> Iterator[str]:
    """Every key as a dotted path, in the order of the settings."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            if with_sections:
                yield name
            for key in key_names(inner, with_sections=with_sections):
                yield f"{name}.{key}"
        else:
            yield name


def _nearest(path: Sequence[str]) -> tuple[str, ...]:
    """The key that somebody meant: similar all over, or of the same name in another section."""
    names = list(key_names(with_sections=True))
    wanted = ".".join(path)
    if near := difflib.get_close_matches(wanted, names, n=1, cutoff=0.75):
        return tuple(near[0].split("."))
    last = {name.rpartition(".")[2]: name for name in reversed(names)}
    if near := difflib.get_close_matches(path[-1], last, n=1, cutoff=0.75):
        return tuple(last[near[0]].split("."))
    return ()


def _problem(error: ErrorDetails, written: CommentedMap, origins: Mapping[Keys, str]) -> str:
    path = error["loc"]
    key = _dotted(path)
    where = _origin(path, written, origins)
    if error["type"] == "extra_forbidden":
        return f"{key}{where}: there is no such key; {_known_instead(path)}"
    if error["type"] == "value_error" and isinstance(error["input"], Mapping):
        return f"{key}{where}: {_fix(error)}"
    return f"{key}{where} is {_shown(path, error['input'])}; {_fix(error)}"


def _known_instead(path: Keys) -> str:
    names = tuple(str(part) for part in path)
    if new := RENAMED.get(_dotted(path)):
        return f"it is called {new} now: `matrix-ai-bridge check-config --upgrade` renames it"
    if near := _nearest(names):
        return f"did you mean {'.'.join(near)}?"
    section: Any = Settings if len(names) == 1 else _annotation(names[:-1])
    return f"known here: {', '.join(section.model_fields)}"


def _origin(path: Keys, written: CommentedMap, origins: Mapping[Keys, str]) -> str:
    """Who set it: a variable, or a line of the file."""
    for length in range(len(path), 0, -1):
        if name := origins.get(path[:length]):
            return f" (from {name})"
    place: object = written
    line: int | None = None
    for part in path:
        if not isinstance(place, CommentedMap) or part not in place:
            break
        line = place.lc.key(part)[0] + 1
        place = place[part]
    return f" (line {line})" if line else ""


def _fix(error: ErrorDetails) -> str:
    bounds = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(bounds["error"])
        case "literal_error":
            return f"write one of {bounds['expected']}".replace("'", "")
        case "greater_than_equal":
            return f"write a number of at least {bounds['ge']}"
        case "greater_than":
            return f"write a number above {bounds['gt']}"
        case "less_than_equal":
            return f"write a number of at most {bounds['le']}"
        case "string_too_short":
            return f"write at least {bounds['min_length']} character"
        case "string_too_long":
            return f"write at most {bounds['max_length']} characters"
        case kind:
            return _FIXES.get(kind, error["msg"][:1].lower() + error["msg"][1:])


def _shown(path: Keys, value: object) -> str:
    """The value as written; nothing of it where it may be a secret."""
    if any(_SECRET.search(str(part)) for part in path):
        return "*** (hidden)"
    if isinstance(value, Mapping):
        return "a section"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = _PASSWORD_IN_ADDRESS.sub(r"\1:***@", text)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def _dotted(path: Keys) -> str:
    names = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    return names.removeprefix(".")


def _syntax(path: Path, error: MarkedYAMLError, problem: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"{path}{where}: {' '.join(problem.split())}."


def _listed(path: Path, problems: Sequence[str]) -> str:
    ended = [text if text.endswith("?") else f"{text}." for text in problems]
    if len(ended) == 1:
        return f"{path}: {ended[0]}"
    return "\n".join([f"{path}: {len(ended)} problems", *(f"  - {text}" for text in ended)])
