"""Runs code that comes in on stdin, a JSON text a line, in one namespace; answers each with what it printed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what C code prints must not come between the answers
    namespace: dict[str, object] = {"__name__": "__main__"}
    sys.path.insert(0, "")
    for line in sys.stdin:
        said, error = io.StringIO(), ""
        with contextlib.redirect_stdout(said):
            try:
                exec(compile(json.loads(line), "<the page>", "exec"), namespace)
            except BaseException:
                error = traceback.format_exc()
        print(json.dumps([said.getvalue(), error]), file=answers, flush=True)


if __name__ == "__main__":
    main()
