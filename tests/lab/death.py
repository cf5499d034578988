"""Children that do not outlive a test run that was killed."""

from __future__ import annotations

import ctypes
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Linux: this process gets a signal when its parent ends. For `preexec_fn`."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
    except (OSError, AttributeError):
        return
