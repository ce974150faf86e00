"""New pods that can never fit: no node could hold their watts under its budgets, even if nobody else were there.

Such a pod waits for ever, and its owner is told nothing but "0 nodes available". So it is said, or the pod is refused,
as its policy wants.
"""

from powerplane.admission.gates.gating import is_critical
from powerplane.admission.review import LONGEST_WARNING, Verdict
from powerplane.admission.validation.ground import Place, Places
from powerplane.models.api.capping_policy import AdmissionChoice
from powerplane.models.objects import PodSpec

FITS = Verdict()
NEXT_STEP = "request fewer watts, raise that budget, or let the policy's spec.admission.unfit be Warn"


def judge_watts(watts: int, spec: PodSpec, choice: AdmissionChoice, places: Places) -> Verdict:
    """Say whether a pod could ever fit.

    Parameters
    ----------
    watts : int
        What it asks for.
    spec : PodSpec
    choice : AdmissionChoice
        Whether one that cannot is refused.
    places : Places
    """
    place = places.too_small(watts, spec)
    if place is None:
        return FITS
    told = unfit_words(watts, place)
    # The system's own pods must come in whatever we think of them.
    if choice.unfit == "Deny" and not is_critical(spec):
        return Verdict(denied=f"{told}: {NEXT_STEP}")
    return Verdict(warnings=(told,))


def unfit_words(watts: int, place: Place) -> str:
    """Name what a pod wants and the budget that never gives it, in as many characters as every client shows."""
    head, tail = f"powerplane: {watts} W fit nowhere: ", f" gives one pod {place.watts} W at most"
    left = LONGEST_WARNING - len(head) - len(tail)
    budget = place.budget if len(place.budget) <= left else f"{place.budget[: left - 1]}…"
    return f"{head}{budget}{tail}"
