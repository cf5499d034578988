"""Import Synapse once, then fork a homeserver for each line on stdin.

A script for Synapse's interpreter. A line is `{"config": PATH, "output": PATH}`; the answer is the
process id. Stdin ends when the test run ends, however it ends: so does this process then, and the
kernel kills its homeservers with it.

It leans on the reactor that Synapse brings for starting several of its processes in one container;
a plain `python -m synapse.app.homeserver` does the same in ten times the time.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from importlib.metadata import version

from synapse.app.complement_fork_proxied_reactor import ProxiedReactor
from twisted.internet.main import installReactor

reactor = ProxiedReactor()
installReactor(reactor)

# Only now: these take hold of the reactor when they are imported.
import synapse.rest.admin  # noqa: E402, F401
import synapse.storage.engines  # noqa: E402, F401
from synapse.app import homeserver  # noqa: E402
from twisted.internet.epollreactor import EPollReactor  # noqa: E402

PR_SET_PDEATHSIG = 1


def _become_homeserver(config: str, output: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.chdir(os.path.dirname(config))
    sys.argv = ["homeserver", "-c", config]
    reactor._install_real_reactor(EPollReactor())
    status = 1
    try:
        homeserver.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets children that ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the test run, which closes stdin
    print(version("matrix-synapse"), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_homeserver(order["config"], order["output"])
        print(child, flush=True)


if __name__ == "__main__":
    main()
