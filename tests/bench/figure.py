"""One figure, as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`baseline`: what the same work takes at least, measured in the same run; `ratio`: the value
    as a share of it. None where there is no such thing."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None

    def line(self) -> str:
        return json.dumps(
            {key: _rounded(value) for key, value in asdict(self).items()}, ensure_ascii=False
        )


def beside(name: str, value: float, unit: str, baseline: float) -> Figure:
    return Figure(name=name, value=value, unit=unit, baseline=baseline, ratio=value / baseline)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value
