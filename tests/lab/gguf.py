"""A language model with random weights in a file of some hundred kilobytes: real in all but sense.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 3).
"""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_MAGIC: Final = b"GGUF"
_VERSION: Final = 3
_ALIGNMENT: Final = 32
_F32: Final = 0
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6

_WIDTH: Final = 64
_LAYERS: Final = 2
_HEADS: Final = 4
_INNER: Final = 128
CONTEXT: Final = 32_768

_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_COMMON: Final = [
    "the",
    "and",
    "you",
    "that",
    "have",
    "for",
    "not",
    "with",
    "this",
    "but",
    "from",
    "they",
    "say",
    "her",
    "she",
    "will",
    "one",
    "all",
    "would",
    "there",
    "what",
    "out",
    "about",
    "who",
    "get",
    "which",
    "when",
    "make",
    "can",
    "like",
    "time",
    "just",
    "him",
    "know",
    "take",
    "people",
    "into",
    "year",
    "your",
    "good",
    "some",
    "could",
    "them",
    "see",
    "other",
    "than",
    "then",
    "now",
    "look",
    "only",
    "come",
    "its",
    "over",
    "think",
    "also",
    "back",
    "after",
    "use",
    "two",
    "how",
    "our",
    "work",
    "first",
    "well",
    "way",
    "even",
    "new",
    "want",
    "because",
    "any",
    "these",
    "give",
    "day",
    "most",
    "us",
]


def write_model(path: Path, *, seed: int = 1) -> None:
    """Write the model; the same bytes for a seed every time."""
    tokens, types = _vocabulary()
    scores = [0.0 if kind != _NORMAL else -float(n) for n, kind in enumerate(types)]
    end = tokens.index("<|im_end|>")
    fields: list[tuple[str, bytes]] = [
        ("general.architecture", _string("llama")),
        ("general.name", _string("random")),
        ("llama.context_length", _uint(CONTEXT)),
        ("llama.embedding_length", _uint(_WIDTH)),
        ("llama.block_count", _uint(_LAYERS)),
        ("llama.feed_forward_length", _uint(_INNER)),
        ("llama.attention.head_count", _uint(_HEADS)),
        ("llama.attention.head_count_kv", _uint(_HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", struct.pack("<If", _FLOAT32, 1e-5)),
        ("llama.rope.dimension_count", _uint(_WIDTH // _HEADS)),
        ("llama.vocab_size", _uint(len(tokens))),
        ("tokenizer.ggml.model", _string("llama")),
        ("tokenizer.ggml.tokens", _array(_STRING, [_text(token) for token in tokens])),
        ("tokenizer.ggml.scores", _array(_FLOAT32, [struct.pack("<f", s) for s in scores])),
        ("tokenizer.ggml.token_type", _array(_INT32, [struct.pack("<i", t) for t in types])),
        ("tokenizer.ggml.bos_token_id", _uint(1)),
        ("tokenizer.ggml.eos_token_id", _uint(end)),
        ("tokenizer.ggml.unknown_token_id", _uint(0)),
        ("tokenizer.ggml.add_bos_token", struct.pack("<IB", _BOOL, 1)),
        ("tokenizer.chat_template", _string(_TEMPLATE)),
    ]
    dice = random.Random(seed)
    tensors = [(name, sizes, _weights(name, sizes, dice)) for name, sizes in _shapes(len(tokens))]
    head = _MAGIC + struct.pack("<IQQ", _VERSION, len(tensors), len(fields))
    head += b"".join(_text(key) + value for key, value in fields)
    offset = 0
    for name, sizes, data in tensors:
        dimensions = struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)
        head += _text(name) + dimensions + struct.pack("<IQ", _F32, offset)
        offset += len(_padded(data))
    path.write_bytes(_padded(head) + b"".join(_padded(data) for _, _, data in tensors))


def _vocabulary() -> tuple[list[str], list[int]]:
    special = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    octets = [f"<0x{n:02X}>" for n in range(256)]
    letters = [chr(n) for n in range(33, 127)]
    pieces = ["\u2581", *letters, *(f"\u2581{letter}" for letter in letters)]
    for word in _COMMON:
        # A word is put together from its beginnings, as merges need.
        pieces += [f"\u2581{word[:n]}" for n in range(2, len(word) + 1)]
    pieces = list(dict.fromkeys(pieces))
    types = [_UNKNOWN] + [_CONTROL] * 4 + [_BYTE] * 256 + [_NORMAL] * len(pieces)
    return special + octets + pieces, types


def _shapes(vocabulary: int) -> list[tuple[str, tuple[int, ...]]]:
    shapes: list[tuple[str, tuple[int, ...]]] = [("token_embd.weight", (_WIDTH, vocabulary))]
    for n in range(_LAYERS):
        square, out, back = (_WIDTH, _WIDTH), (_WIDTH, _INNER), (_INNER, _WIDTH)
        shapes.append((f"blk.{n}.attn_norm.weight", (_WIDTH,)))
        shapes += [(f"blk.{n}.attn_{part}.weight", square) for part in ("q", "k", "v", "output")]
        shapes.append((f"blk.{n}.ffn_norm.weight", (_WIDTH,)))
        shapes += [(f"blk.{n}.ffn_{part}.weight", out) for part in ("gate", "up")]
        shapes.append((f"blk.{n}.ffn_down.weight", back))
    return [*shapes, ("output_norm.weight", (_WIDTH,)), ("output.weight", (_WIDTH, vocabulary))]


def _weights(name: str, sizes: Sequence[int], dice: random.Random) -> bytes:
    count = 1
    for size in sizes:
        count *= size
    is_norm = name.endswith("norm.weight")
    values = array("f", (1.0 if is_norm else dice.gauss(0, 0.1) for _ in range(count)))
    return values.tobytes()


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _string(value: str) -> bytes:
    return struct.pack("<I", _STRING) + _text(value)


def _uint(value: int) -> bytes:
    return struct.pack("<II", _UINT32, value)


def _array(kind: int, items: Sequence[bytes]) -> bytes:
    return struct.pack("<IIQ", _ARRAY, kind, len(items)) + b"".join(items)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _ALIGNMENT)
