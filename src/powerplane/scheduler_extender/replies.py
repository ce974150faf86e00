"""The answers as they go over the wire: every member written out, because an empty object would mean "no node at all".

Source: k8s.io/kube-scheduler/extender/v1/types.go: ExtenderFilterResult, ExtenderPreemptionResult,
ExtenderBindingResult. Where the scheduler sent names, names go back; where it sent full nodes, those very nodes.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from powerplane.scheduler_extender.answers import FilterAnswer, PreemptAnswer
from powerplane.scheduler_extender.wire import FilterArgs, Victims, node_items

_ENCODER: Final = msgspec.json.Encoder()
_NO_NAMES: Final = b"[]"


def filter_reply(args: FilterArgs, answer: FilterAnswer) -> bytes:
    """Return ExtenderFilterResult; the list of names is sent back as it came where every node passes."""
    if answer.error:
        return _filter_result(b"null", _NO_NAMES, FilterAnswer(error=answer.error))
    if args.raw_nodes:
        return _filter_result(_passing_nodes(args, answer.names), b"null", answer)
    names = args.raw_names if answer.names is None else _ENCODER.encode(answer.names)
    return _filter_result(b"null", names or _NO_NAMES, answer)


def preempt_reply(answer: PreemptAnswer) -> bytes:
    """Return ExtenderPreemptionResult, always by UID."""
    return _ENCODER.encode({"NodeNameToMetaVictims": {node: _meta(found) for node, found in answer.victims.items()}})


def error_reply(error: str) -> bytes:
    """Return the body of a refusal; of a binding too, where no error is ""."""
    return _ENCODER.encode({"Error": error})


def _filter_result(nodes: bytes, names: bytes, answer: FilterAnswer) -> bytes:
    members = (
        (b'{"Nodes":', nodes),
        (b',"NodeNames":', names),
        (b',"FailedNodes":', _reasons(answer.failed)),
        (b',"FailedAndUnresolvableNodes":', _reasons(answer.unresolvable)),
        (b',"Error":', _ENCODER.encode(answer.error)),
    )
    return b"".join(part for member in members for part in member) + b"}"


def _reasons(reasons: Mapping[str, str]) -> bytes:
    return _ENCODER.encode(reasons if isinstance(reasons, dict) else dict(reasons))


def _passing_nodes(args: FilterArgs, names: tuple[str, ...] | None) -> bytes:
    if names is None:
        return args.raw_nodes
    passing = set(names)
    items = zip(args.node_names, node_items(args.raw_nodes), strict=True)
    kept = b",".join(bytes(item) for name, item in items if name in passing)
    return b'{"metadata":{},"items":[' + kept + b"]}"


def _meta(victims: Victims) -> dict[str, object]:
    return {"Pods": [{"UID": uid} for uid in victims.uids], "NumPDBViolations": victims.pdb_violations}
