"""The last step of a delivery: what the stores have to do, now that the outcome is known."""

from __future__ import annotations

import logging

import msgspec

from tq import states
from tq.errors import Retry
from tq.records import Action, Lock, Settlement, TaskMeta, Undecodable
from tq.wire.call import TaskCall
from tq.wire.exceptions import exception_document
from tq.wire.isotime import utc_now
from tq.wire.locks import lock_in
from tq.worker.documents import extended, started_document
from tq.worker.follow import NOTHING, Followed, FollowUp
from tq.worker.outcome import GIVEN_BACK, Outcome, cause_of, traceback_text
from tq.worker.run import Run
from tq.worker.steps import Steps

logger = logging.getLogger("tq.task")

_ACTIONS = {states.REJECTED: states.FAILURE}


class Concluding(Steps):
    """Plain data for the engine, which carries it to the stores."""

    __slots__ = ()

    def conclude(self, run: Run) -> Settlement:
        """What the stores have to do now that the outcome is known."""
        try:
            return self._conclude(run)
        except Exception as exc:
            # Callbacks come with the message and may be anything.
            name, task_id = (run.call.task, run.call.id) if run.call else (None, None)
            logger.exception(
                "what follows task %s[%s] in queue %s cannot be sent", name, task_id, run.delivery.queue
            )
            run.outcome = Outcome(
                states.FAILURE, exc, traceback_text(exc), dead=f"{type(exc).__name__}: {exc}"
            )
            return Settlement(
                run.delivery,
                Action.DEAD,
                reason=run.outcome.dead,
                result=self.result_of(run, run.outcome),
                unlock=_lock(run),
            )

    def starting(self, run: Run, pid: int) -> TaskMeta | None:
        """STARTED, to be stored with an early acknowledgement: the only trace, should the whole worker die."""
        assert run.plan is not None
        assert run.call is not None
        kept = self.freeze is not None and not run.plan.ignores(run.call)
        return started_document(run, self.hostname, pid) if kept else None

    def _conclude(self, run: Run) -> Settlement:
        outcome = run.outcome or GIVEN_BACK
        follow = self._following(run, outcome)
        if follow is NOTHING and outcome.state == states.SUCCESS:
            return Settlement(run.delivery, result=self.result_of(run, outcome), unlock=_lock(run))
        if outcome.requeue:
            action = Action.REQUEUE
        elif outcome.dead:
            action = Action.DEAD
        else:
            action = Action.ACK
        result = self.result_of(run, outcome)
        plain = (
            run.delivery,
            action,
            outcome.delay,
            outcome.dead,
            follow.publish,
            result,
            _unlock(run, outcome, follow),
        )
        if follow.starts or follow.members or follow.ends or follow.notes:
            return Followed(*plain, follow.starts, follow.members, follow.ends, notes=follow.notes)
        return Settlement(*plain)

    def _following(self, run: Run, outcome: Outcome) -> FollowUp:
        call, request = run.call, run.request
        own = NOTHING
        if request is not None and request.leaves_something:
            own = FollowUp(tuple(request.follow_ups), tuple(request.starts), notes=tuple(request.notes))
        # What replaces a task goes on with its chain and its chord.
        replaced = outcome.state == states.IGNORED and bool(own.publish)
        if call is None or self.follow_up is None or replaced or not _continues(call, outcome):
            return own
        follow = self.follow_up(call, outcome, run.delivery)
        if request is not None and follow.children and getattr(run.plan and run.plan.task, "trail", True):
            request.children.extend(follow.children)
        return own.joined(follow) if own.publish else follow

    def result_of(self, run: Run, outcome: Outcome) -> TaskMeta | None:
        """The result document to store, or None where nothing is kept."""
        call, plan, state = run.call, run.plan, outcome.state
        if call is None or self.freeze is None or outcome.requeue or state == states.IGNORED:
            return None
        if plan is None:
            if call.ignore_result:
                return None
        elif plan.ignores(call) and not (state == states.FAILURE and plan.store_errors):
            return None
        value = outcome.value
        if isinstance(value, Retry):
            value = cause_of(value)
        request = run.request
        meta = TaskMeta(
            call.id,
            _ACTIONS.get(state, state),
            value if state == states.SUCCESS else exception_document(value),
            outcome.traceback,
            list(request.children) if request is not None and request.leaves_something else [],
            utc_now() if state != states.RETRY else None,
            call.group,
            call.parent_id,
        )
        if plan is not None and plan.extended:
            return msgspec.structs.replace(meta, **extended(run, self.hostname))
        return meta


def _unlock(run: Run, outcome: Outcome, follow: FollowUp) -> Lock | None:
    """The lock that ends with this run; a retry in the same queue takes it on."""
    if outcome.requeue:
        return None
    lock = _lock(run)
    if lock is not None and any(e.lock == lock and e.queue == run.delivery.queue for e in follow.publish):
        return None
    return lock


def _lock(run: Run) -> Lock | None:
    message = run.delivery.message
    return None if isinstance(message, Undecodable) else lock_in(message)


def _continues(call: TaskCall, outcome: Outcome) -> bool:
    state = outcome.state
    if outcome.requeue or state in (states.RETRY, states.PENDING):
        return False
    waiting = bool(call.chain or call.chord)
    if state == states.SUCCESS:
        return waiting or bool(call.callbacks)
    if state == states.FAILURE and (call.group or call.root_id not in (None, call.id)):
        return True
    return waiting or (bool(call.errbacks) and state in (states.FAILURE, states.REVOKED))
