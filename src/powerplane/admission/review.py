"""AdmissionReview as it comes over the wire, read defensively, and the answer to it.

Source: k8s.io/api/admission/v1. The API server sends one object a review; a pod that is being created may have no name
yet (``generateName``) and no namespace of its own, so that the review's counts.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from powerplane.adapters.strict_json import MalformedError, convert, read_once
from powerplane.models.objects import Narrow

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
LONGEST_WARNING = 120
"""Characters of a warning that every client shows whole."""

MOST_WARNINGS = 8
LONGEST_UID = 128

Json = dict[str, Any]


class GroupKind(Narrow, frozen=True):
    """What kind of object, in which version."""

    group: str = ""
    version: str = ""
    kind: str = ""


class UserInfo(Narrow, frozen=True):
    """Who asks."""

    username: str = ""
    groups: tuple[str, ...] | None = None


class Request(Narrow, frozen=True):
    """The question: an operation on an object, before it is stored.

    Parameters
    ----------
    uid : str
        To be sent back.
    kind : GroupKind
    sub_resource, name, namespace, operation : str
    user_info : UserInfo
    object, old_object : dict or None
        As the API has them.
    dry_run : bool or None
        Nothing will be stored.
    """

    uid: str
    kind: GroupKind = GroupKind()
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    operation: str = ""
    user_info: UserInfo = UserInfo()
    object: Json | None = None
    old_object: Json | None = None
    dry_run: bool | None = None


class _Review(Narrow, frozen=True):
    """The envelope."""

    request: Request
    api_version: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered.

    Parameters
    ----------
    patch : sequence of dict
        RFC 6902 operations; empty for none.
    denied : str
        Why the object may not come in; "" where it may.
    warnings : sequence of str
        Sentences for whoever asks.
    audit : mapping
        For the API server's audit log.
    """

    patch: Sequence[Json] = ()
    denied: str = ""
    warnings: Sequence[str] = ()
    audit: Mapping[str, str] | None = None


def read_review(body: bytes) -> Request:
    """Return the question in a review.

    Raises
    ------
    MalformedError
        For what is no AdmissionReview v1, or has a key twice.
    """
    review = convert(read_once(body, "the review"), _Review, "the review")
    if (review.api_version, review.kind) != (API_VERSION, KIND):
        raise MalformedError(f"this is no {KIND} of {API_VERSION}")
    if not 0 < len(review.request.uid) <= LONGEST_UID:
        raise MalformedError("the review's uid is missing or too long")
    return review.request


def answer_review(uid: str, verdict: Verdict) -> bytes:
    """Return the answer to a review.

    Parameters
    ----------
    uid : str
        The question's.
    verdict : Verdict
    """
    response: Json = {"uid": uid, "allowed": not verdict.denied}
    if verdict.denied:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": verdict.denied}
    elif verdict.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(msgspec.json.encode(verdict.patch)).decode()
    if verdict.warnings:
        response["warnings"] = [_cut(each) for each in verdict.warnings[:MOST_WARNINGS]]
    if verdict.audit:
        response["auditAnnotations"] = dict(verdict.audit)
    return msgspec.json.encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_WARNING else f"{text[: LONGEST_WARNING - 1]}…"
