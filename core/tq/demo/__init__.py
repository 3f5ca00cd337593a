"""`tq demo`: an app that counts words, run by a worker on real files.

`word_count` is the app, written as any app is. The other modules are the program around it: find files, start a
worker, send, collect, show.
"""

from __future__ import annotations

from tq.demo.word_count import app

__all__ = ["app"]
