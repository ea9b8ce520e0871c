"""`python -m stack.machine.prepare`: what the test machine can have before anybody tests: packages, engine, images.

Part of it waits for package servers, and other work can be done meanwhile.
"""

from __future__ import annotations

import signal
import sys

from stack.machine import images, place, session


def main() -> None:
    """Make it all, and leave it stopped: a session finds it where it would have made it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("test machine: told to stop"))  # by whoever needs it no more
    with place.timed("packages, engine and images"), session.engine(place.folder()) as docker:
        images.base(docker)
        images.both(docker)


if __name__ == "__main__":
    main()
