"""What can go wrong below the broker: no server, or a server that says no."""

from __future__ import annotations


class Down(Exception):
    """No connection, or it broke, or no answer came in time. `sent`: the server may have got something."""

    def __init__(self, text: str, *, sent: bool = True) -> None:
        super().__init__(text)
        self.sent = sent


class Refused(Exception):
    """The server answered with an error; `code` is AMQP's, such as 403 ACCESS_REFUSED or 404 NOT_FOUND."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} ({code})" if not text.startswith(str(code)) else text)
        self.code = code
        self.text = text
