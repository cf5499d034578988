"""Changes to the text of a configuration that leave the rest of it as the operator wrote it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml.comments import CommentedMap

from bridge.config_file import RENAMED, example_text, interpret, parse
from bridge.errors import ConfigError

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9./:-]*[A-Za-z0-9]")
_EXAMPLE: Final = Path("config/example.yaml")
_INDENT: Final = 2
_SAFE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """`added` and `renamed` are dotted keys; `renamed` holds (old, new)."""

    text: str
    added: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def is_changed(self) -> bool:
        return bool(self.added or self.renamed)


def upgrade(
    text: str,
    path: Path,
    *,
    example: str | None = None,
    renames: Mapping[str, str] = RENAMED,
) -> Upgraded:
    """Rename keys of earlier versions and add what is missing, with the example's comments.

    Nothing else of the text changes. Raises ConfigError when it cannot be done safely.
    """
    example = example_text() if example is None else example
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").split("\n")
    before = parse("\n".join(lines), path)
    if any(line.rstrip() == "..." for line in lines):
        raise ConfigError(f"{path} holds an end mark (...). Take it away and run this again.")
    renamed = _rename(lines, before, renames)
    added = _add(lines, path, example)
    if not added and not renamed:
        return Upgraded(text=text)
    result = "\n".join(lines).rstrip("\n") + "\n"
    _verify(before, result, parse(example, _EXAMPLE), renames, path)
    return Upgraded(text=result.replace("\n", newline), added=added, renamed=renamed)


def with_values(text: str, values: Mapping[str, str]) -> str:
    """The example's text with other values for some keys that hold one line."""
    lines = text.split("\n")
    written = parse(text, _EXAMPLE)
    for key, value in values.items():
        *sections, name = key.split(".")
        place: Any = written
        for section in sections:
            place = place[section]
        line, column = place.lc.value(name)
        scalar = value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
        lines[line] = lines[line][:column] + scalar
    return "\n".join(lines)


def create(path: Path, values: Mapping[str, str]) -> None:
    """Write a new configuration from the example, with mode 0600. Raises ConfigError."""
    text = with_values(example_text(), values)
    interpret(text, path, {})
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SAFE_MODE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}). Let the user that runs this write to "
            f"{path.absolute().parent}."
        ) from error


def replace_file(path: Path, text: str) -> Path:
    """Write the new text in one step, keep the old file beside it; returns where that is.

    Mode and, where permitted, owner stay. Raises ConfigError.
    """
    path = path.resolve()
    backup = path.with_name(f"{path.name}.bak")
    try:
        shutil.copy2(path, backup)
        _write(path, text, like=path.stat())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be replaced ({error.strerror}). Let the user that runs this write to "
            f"{path.parent}."
        ) from error
    return backup


def _write(path: Path, text: str, *, like: os.stat_result) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, like.st_mode & 0o7777)
        with contextlib.suppress(PermissionError):
            os.chown(name, like.st_uid, like.st_gid)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _rename(
    lines: list[str], written: CommentedMap, renames: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    done: list[tuple[str, str]] = []
    for old, new in renames.items():
        *sections, name = old.split(".")
        place = _at(written, sections)
        new_name = new.rpartition(".")[2]
        if not isinstance(place, CommentedMap) or name not in place or new_name in place:
            continue
        row, column = _position(place, name)
        line = lines[row]
        lines[row] = line[:column] + line[column:].replace(name, new_name, 1)
        done.append((old, new))
    return tuple(done)


def _reparsed(lines: Sequence[str], path: Path) -> CommentedMap:
    """What was read before must still be readable after an insertion. Raises ConfigError."""
    try:
        return parse("\n".join(lines), path)
    except ConfigError as error:
        raise _by_hand(path, "whatever it explains and this file lacks") from error


def _by_hand(path: Path, what: str) -> ConfigError:
    return ConfigError(
        f"{path} is written in a way that cannot be upgraded automatically. Add by hand what "
        f"config/example.yaml says about: {what}."
    )


def _add(lines: list[str], path: Path, example: str) -> tuple[str, ...]:
    """Insert missing keys into `lines`, section by section; returns their dotted names."""
    model_lines = example.split("\n")
    model = parse(example, _EXAMPLE)
    added: list[str] = []
    while missing := _first_missing(_reparsed(lines, path), model):
        *sections, name = missing
        block = _block(model_lines, _at(model, sections), name)
        if sections:
            at, indent = _end_of_section(lines, path, sections)
            shift = indent - _INDENT * len(sections)
            lines[at:at] = [_shifted(line, shift) for line in block]
        else:
            while lines and not lines[-1].strip():
                lines.pop()
            lines += ["", *block] if lines else block
        added.append(".".join(missing))
    return tuple(added)


def _first_missing(
    written: Mapping[Any, Any], model: Mapping[Any, Any], above: tuple[str, ...] = ()
) -> tuple[str, ...]:
    for name, inner in model.items():
        here = (*above, str(name))
        if name not in written:
            return here
        if isinstance(inner, Mapping):
            theirs = written[name]
            if theirs is not None and not isinstance(theirs, Mapping):
                raise ConfigError(
                    f"{'.'.join(here)} holds a value where its keys belong. Run "
                    "`matrix-ai-bridge check-config` first."
                )
            if missing := _first_missing(theirs or {}, inner, here):
                return missing
    return ()


def _end_of_section(lines: Sequence[str], path: Path, sections: Sequence[str]) -> tuple[int, int]:
    """Where a key is inserted into a section, and how far it is indented."""
    *above, name = sections
    written = _reparsed(lines, path)
    outer = _at(written, above)
    section = outer[name]
    row, column = _position(outer, name)
    if isinstance(section, CommentedMap) and section.fa.flow_style():
        raise ConfigError(
            f"{path}, line {row + 1}: {'.'.join(sections)} is written in braces, so keys with "
            "comments cannot be added to it. Write its keys below it, one a line, and run this "
            "again."
        )
    if section is None and not re.search(r":\s*(#.*)?$", lines[row]):
        raise ConfigError(
            f"{path}, line {row + 1}: take away the value of {'.'.join(sections)}, its keys "
            "belong below it, and run this again."
        )
    indent = section.lc.key(next(iter(section)))[1] if section else column + _INDENT
    return _end(lines, row, column), indent


def _block(lines: Sequence[str], place: CommentedMap, name: str) -> Sequence[str]:
    """The lines of a key of the example, with the comment above it."""
    row, column = _position(place, name)
    start = row
    while (
        start and lines[start - 1].lstrip().startswith("#") and _indent(lines[start - 1]) == column
    ):
        start -= 1
    return lines[start : _end(lines, row, column)]


def _end(lines: Sequence[str], row: int, column: int) -> int:
    """One past the last line of the key at `row`: what is indented deeper belongs to it."""
    end = row + 1
    for number in range(row + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        if _indent(line) > column:
            end = number + 1
        elif not line.lstrip().startswith("#"):
            break
    return end


def _position(place: CommentedMap, name: str) -> tuple[int, int]:
    """Line and column of a key, from 0."""
    row, column = place.lc.key(name)
    return int(row), int(column)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _shifted(line: str, by: int) -> str:
    if by >= 0 or not line.strip():
        return f"{' ' * by}{line}" if line.strip() else line
    return line[min(-by, _indent(line)) :]


def _at(place: Any, names: Sequence[str]) -> Any:
    for name in names:
        if not isinstance(place, Mapping):
            return None
        place = place.get(name)
    return place


def _verify(
    before: Mapping[Any, Any],
    result: str,
    model: Mapping[Any, Any],
    renames: Mapping[str, str],
    path: Path,
) -> None:
    """Raise ConfigError unless every value of before and every key of the example is there."""
    values = _values(_reparsed(result.split("\n"), path))
    kept = {
        renames.get(key, key): value for key, value in _values(before).items() if value is not None
    }
    lost = [key for key, value in kept.items() if key not in values or values[key] != value]
    if missing := sorted({*lost, *(key for key in _values(model) if key not in values)}):
        raise _by_hand(path, ", ".join(missing))


def _values(place: Mapping[Any, Any], above: str = "") -> dict[str, object]:
    """Dotted keys and what they hold; a section without keys holds nothing to keep."""
    found: dict[str, object] = {}
    for name, value in place.items():
        key = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping):
            found |= _values(value, key)
        else:
            found[key] = value
    return found
