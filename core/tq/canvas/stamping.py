"""Stamps: headers that a whole workflow carries, given at once or by a visitor that walks it.

A stamp is an option of a call, and `stamped_headers` names those options that are stamps. In the message they
become the headers `stamped_headers` and `stamps`. Source of names, forms and order of the visits: Celery 5.7
`celery.canvas`. Unlike there a stamp given by keyword reaches the body of a chord too, and what a visitor says of
one task is not named by its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tq.canvas.compound import chain, chord, group, signature_from, upgraded
from tq.canvas.kinds import header_of, many
from tq.canvas.signature import Signature
from tq.canvas.stamps import NAMES, both, stamps_of, with_names

Stamps = dict[str, Any]
Told = Mapping[str, Any] | None
Visit = Callable[..., Told]


class StampingVisitor:
    """Says what is stamped on what. Each method gets what is visited, and the stamps that it has from above as
    keywords; it returns stamps as a dictionary. All keys are stamps, unless `stamped_headers` in it names those
    that are; the others are calling options then. The outer one stands where both say the same stamp."""

    def on_signature(self, sig: Signature, **headers: Any) -> Told:
        """Each single call. Has to be defined."""
        raise NotImplementedError(f"{type(self).__name__} has to define on_signature(sig, **headers)")

    def on_group_start(self, group: group, **headers: Any) -> Told:
        """Before the members of a group, for all of them."""
        return None

    def on_group_end(self, group: group, **headers: Any) -> None:
        """After the members of a group."""

    def on_chain_start(self, chain: chain, **headers: Any) -> Told:
        """Before the steps of a chain, for all of them."""
        return None

    def on_chain_end(self, chain: chain, **headers: Any) -> None:
        """After the steps of a chain."""

    def on_chord_header_start(self, sig: chord, **header: Any) -> Told:
        """Before the members of a chord, for them and the body; by default as for a group."""
        return self.on_group_start(_header(sig), **header)

    def on_chord_header_end(self, sig: chord, **header: Any) -> None:
        """After the members of a chord."""

    def on_chord_body(self, sig: chord, **header: Any) -> Told:
        """Before the body of a chord."""
        return None

    def on_callback(self, callback: Signature, **header: Any) -> Told:
        """What is sent when the visited one succeeds."""
        return None

    def on_errback(self, errback: Signature, **header: Any) -> Told:
        """What is sent when the visited one fails."""
        return None


class Silent(StampingVisitor):
    """Adds nothing to the stamps that are given by keyword."""

    def on_signature(self, sig: Signature, **headers: Any) -> Told:
        return None


def stamp(
    signature: Signature, visitor: StampingVisitor | None, append: bool, stamps: Mapping[str, Any]
) -> None:
    """Stamp a signature and all in it, in place. With `append` a stamp that was there already becomes a list."""
    _Walk(visitor or Silent(), append).visit(signature, with_names(stamps))


def stamp_links(
    signature: Signature, visitor: StampingVisitor | None, append: bool, stamps: Mapping[str, Any]
) -> None:
    """Stamp the callbacks and error callbacks of a signature, in place."""
    _Walk(visitor or Silent(), append).links(signature, with_names(stamps))


class _Walk:
    def __init__(self, visitor: StampingVisitor, append: bool) -> None:
        self._visitor = visitor
        self._append = append

    def visit(self, signature: Signature, stamps: Stamps) -> None:
        if isinstance(signature, chain):
            self._steps(signature, stamps, self._visitor.on_chain_start, self._visitor.on_chain_end)
        elif isinstance(signature, group):
            self._steps(signature, stamps, self._visitor.on_group_start, self._visitor.on_group_end)
        elif isinstance(signature, chord):
            self._chord(signature, stamps)
        else:
            self.links(signature, stamps)
            told = self._visitor.on_signature(signature, **stamps)
            signature.options.update(self._of(signature, self._told(stamps, told)))

    def links(self, signature: Signature, stamps: Stamps) -> None:
        for option, visit in (("link", self._visitor.on_callback), ("link_error", self._visitor.on_errback)):
            if links := many(signature.options.get(option)):
                stamped = [self._copy(link, signature) for link in links]
                for link in stamped:
                    self.visit(link, self._told(stamps, visit(link, **stamps)))
                # A new list: clones share the old one.
                signature.options[option] = stamped

    def _steps(
        self, signature: chain | group, stamps: Stamps, start: Callable[..., Told], end: Callable[..., None]
    ) -> None:
        stamps = self._of(signature, self._told(stamps, start(signature, **stamps)))
        self.links(signature, stamps)
        tasks = upgraded(signature.tasks) if isinstance(signature, chain) else signature.tasks
        signature["kwargs"] = {**signature.kwargs, "tasks": self._all(tasks, signature, stamps)}
        end(signature, **stamps)

    def _chord(self, signature: chord, stamps: Stamps) -> None:
        stamps = self._of(
            signature, self._told(stamps, self._visitor.on_chord_header_start(signature, **stamps))
        )
        self.links(signature, stamps)
        header = _header(signature)
        header["kwargs"] = {**header.kwargs, "tasks": self._all(header.tasks, signature, stamps)}
        signature["kwargs"] = {**signature.kwargs, "header": header}
        self._visitor.on_chord_header_end(signature, **stamps)
        if signature.body is not None:
            body = self._copy(signature.body, signature)
            self.visit(body, self._told(stamps, self._visitor.on_chord_body(signature, **stamps)))
            signature["kwargs"] = {**signature.kwargs, "body": body}

    def _all(self, tasks: Iterable[Signature], of: Signature, stamps: Stamps) -> list[Signature]:
        # Copies: one object may be in several places.
        copies = [self._copy(task, of) for task in tasks]
        for task in copies:
            self.visit(task, stamps)
        return copies

    def _copy(self, found: Mapping[str, Any], of: Signature) -> Signature:
        return signature_from(found, getattr(found, "_app", None) or of._app)

    def _told(self, stamps: Stamps, told: Told) -> Stamps:
        return both(stamps, with_names(told or {}), self._append)

    def _of(self, signature: Signature, stamps: Stamps) -> Stamps:
        """With those that the signature has already."""
        own = stamps_of(signature.options)
        found = both(stamps, own and {NAMES: list(own), **own}, self._append)
        if not found.get(NAMES):
            found.pop(NAMES, None)
        return found


def _header(sig: chord) -> group:
    made = signature_from(header_of(sig), sig._app)
    assert isinstance(made, group)
    return made
