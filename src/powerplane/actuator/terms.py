"""How patient the actuator is."""

from dataclasses import dataclass, field

from powerplane.actuator.confirming import ConfirmTerms


@dataclass(frozen=True, slots=True)
class Terms:
    """Times in seconds, by the clock that only goes on; whoever takes over begins them anew.

    Parameters
    ----------
    warm_s : float
        From a plan's start to its first eviction: the webhook has to hear of the plan.
    reserve_s : float
        For a place to be reserved; also for room to come free on a target.
    hold_s : float
        How long a reserved place waits for its turn.
    budget_s : float
        How long a disruption budget is asked again.
    successor_s : float
        For a successor to come, from when the pod before it is gone.
    job_successor_s : float
        The same of a Job, whose controller waits longer from lost pod to lost pod: 10 s after the first, then twice as
        long each time (Kubernetes, "Pod backoff failure policy").
    leave_s : float
        For an evicted pod to be gone, where no successor comes before that.
    bind_s : float
        For a successor to be bound, from when it may be.
    gate_s : float
        For the gates on a successor to go, ours and others'.
    ready_s : float
        For it to become ready.
    report_s, resize_s : float
        For the report of a resize by a kubelet that has told nothing of what containers have, and by one that has; the
        latter for the API server to take it, too.
    most_attempts : int
        Reservations, and successors, of one move.
    back_off_s, longest_back_off_s : float
        How long a workload is left alone whose move did not help; twice as long each time.
    confirm : ConfirmTerms
    """

    warm_s: float = 1.0
    reserve_s: float = 30.0
    hold_s: float = 300.0
    budget_s: float = 300.0
    successor_s: float = 60.0
    job_successor_s: float = 200.0
    leave_s: float = 900.0
    bind_s: float = 120.0
    gate_s: float = 900.0
    ready_s: float = 300.0
    report_s: float = 5.0
    resize_s: float = 60.0
    most_attempts: int = 3
    back_off_s: float = 600.0
    longest_back_off_s: float = 6 * 3600.0
    confirm: ConfirmTerms = field(default_factory=ConfirmTerms)
