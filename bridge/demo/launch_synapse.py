"""Synapse, which ends with the demo, however that ended. Runs in Synapse's own interpreter."""

from __future__ import annotations

import os
import runpy
import signal
import threading

_STDIN = 0


def _end_with_the_demo() -> None:
    """Standard input is a pipe that the demo holds open and never writes to."""
    while os.read(_STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_demo, daemon=True).start()
    runpy.run_module("synapse.app.homeserver", run_name="__main__", alter_sys=True)
