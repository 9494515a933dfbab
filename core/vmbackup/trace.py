"""`VMBACKUP_TRACE=1`: each call of a hook on standard error, for who writes a plugin."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "VMBACKUP_TRACE"


@contextmanager
def traced(call: str) -> Iterator[None]:
    """Print which call the `with` was, how long it took and what came of it, where that is wished for.

    Neither what was given nor the words of an error are printed: there may be a secret in them.
    """
    if os.environ.get(VARIABLE) != "1":
        yield
        return
    started, outcome = time.monotonic(), "ok"
    try:
        yield
    except BaseException as error:
        outcome = f"raised {type(error).__name__}"
        raise
    finally:
        shown = "".join(letter if letter.isprintable() else "?" for letter in call)
        sys.stderr.write(f"vmbackup trace: {shown}: {outcome} in {time.monotonic() - started:.6f} s\n")
