"""What the fork server loads first: a worker ends without a traceback.

How it ended is told by the process that waits for it. One that begins when its pool has gone finds
nothing of it any more, and nobody waits to be told.
"""

import sys


def _say_nothing(*error: object) -> None:
    pass


sys.excepthook = _say_nothing
