"""The app of `tq demo`, from a program of your own: count the words of the files on the command line.

In one terminal `tq -A word_count worker`, in another `python word_count.py *.py`.
"""

import sys

from tq.demo.word_count import app, count

__all__ = ["app"]

if __name__ == "__main__":
    sent = [(path, count.delay(path)) for path in sys.argv[1:]]
    for path, result in sent:
        try:
            print(f"{result.get(timeout=30)['words']:8} {path}")
        except (OSError, ValueError) as exc:
            print(f"{path}: {exc}", file=sys.stderr)
