"""``powerplane doctor``: the webhook's configuration, its replicas, and what a new pod is given."""

from collections.abc import Iterator

from powerplane.adapters.lease_look import seconds_of
from powerplane.adapters.webhook_lease import STALE_S, WEBHOOK_LEASE, read_reports
from powerplane.admission.scope import ADMISSION_LABEL, IGNORE
from powerplane.cli.doctor_cluster.saying import fail, listed, ok, report, unseen, warn
from powerplane.cli.doctor_cluster.seen import Cluster, Hook, HookSeen, Probe
from powerplane.cli.doctor_section import Finding, SectionReport
from powerplane.cli.report import words
from powerplane.models.matching import NAMESPACE_NAME, selector_matches
from powerplane.models.plan import Wire
from powerplane.models.rights import NAMESPACE

CONFIGURATION = "powerplane"
POD_HOOK = "pods.powerplane.dev"
APPLY = "kubectl apply -f deploy/webhook.yaml"
LONGEST_S = 5
SLOW_S = 0.5
JUDGES = ("objects.powerplane.dev", "rollouts.powerplane.dev")
CONDITIONS = ("not-a-mirror", "not-bound")


class WebhookView(Wire, frozen=True):
    """The webhook.

    Attributes
    ----------
    is_registered : bool
    ready_replicas : int or None
        None where it is not called by a Service, or that may not be seen.
    probe_namespace : str
        Where a new pod was tried; "" for nowhere.
    probe_watts : int
    probe_seconds : float or None
    """

    is_registered: bool
    ready_replicas: int | None
    probe_namespace: str
    probe_watts: int
    probe_seconds: float | None


def our_hook(seen: HookSeen) -> Hook | None:
    """Our webhook on pods, as it is registered."""
    for each in seen.configurations.items:
        if each.metadata.name == CONFIGURATION:
            return next((hook for hook in each.webhooks or () if hook.name == POD_HOOK), None)
    return None


def examine_webhook(seen: HookSeen, cluster: Cluster) -> SectionReport:
    """Report on the webhook.

    Parameters
    ----------
    seen : HookSeen
    cluster : Cluster
    """
    hook = our_hook(seen)
    ready = _ready(seen, hook)
    view = WebhookView(
        is_registered=hook is not None,
        ready_replicas=ready,
        probe_namespace=seen.probe.namespace if seen.probe else "",
        probe_watts=seen.probe.watts if seen.probe else 0,
        probe_seconds=round(seen.probe.told.seconds, 4) if seen.probe and seen.probe.namespace else None,
    )
    return report("webhook", "Webhook", _findings(seen, hook, ready, cluster), view)


def _findings(seen: HookSeen, hook: Hook | None, ready: int | None, cluster: Cluster) -> Iterator[Finding]:
    if not seen.configurations.seen:
        yield unseen("registration", "webhooks' configurations", seen.configurations.told)
    elif hook is None:
        text = f"MutatingWebhookConfiguration {CONFIGURATION!r} is not there: new pods come in without watts"
        yield fail("registration", text, f"{APPLY}, and the authority's certificate into caBundle")
    else:
        yield from _shape(hook)
        yield from _judging(seen, hook)
        yield from _replicas(seen, hook, ready)
    if hook is not None:
        yield from _heartbeat(cluster)
    if seen.probe is not None and (hook is not None or not seen.configurations.seen):
        yield _self_test(seen.probe)


def _shape(hook: Hook) -> Iterator[Finding]:
    wrong = [*_defects(hook)]
    if wrong:
        yield warn("registration", f"it is not as shipped: {'; '.join(wrong)}", APPLY)
    else:
        yield ok("registration", f"as shipped: fails open after {hook.timeout_seconds} s, system namespaces left out")


def _defects(hook: Hook) -> Iterator[str]:
    if not hook.is_for_new_pods():
        yield "it is not asked about new pods"
    if hook.failure_policy != "Ignore":
        yield f"failurePolicy is {hook.failure_policy}: while nobody answers no pod can be created anywhere"
    if hook.timeout_seconds > LONGEST_S:
        yield f"timeoutSeconds is {hook.timeout_seconds}: a webhook that hangs delays each pod by that"
    if hook.reinvocation_policy != "IfNeeded":
        yield f"reinvocationPolicy is {hook.reinvocation_policy}: containers that others add later get no watts"
    if hook.side_effects not in ("None", "NoneOnDryRun"):
        yield f"sideEffects is {hook.side_effects}: dry runs are refused"
    if hook.match_policy != "Equivalent":
        yield f"matchPolicy is {hook.match_policy}"
    if hook.object_selector.match_labels or hook.object_selector.match_expressions:
        yield "it has an objectSelector: whoever writes a pod can dodge it by a label"
    for name in ("kube-system", NAMESPACE):
        if selector_matches(hook.namespace_selector, {NAMESPACE_NAME: name}):
            yield f"namespaceSelector takes {name}, where it must never stand in the way"
    if selector_matches(hook.namespace_selector, {NAMESPACE_NAME: "any", ADMISSION_LABEL: IGNORE}):
        yield f"namespaceSelector takes namespaces with {ADMISSION_LABEL}={IGNORE}"
    if not selector_matches(hook.namespace_selector, {NAMESPACE_NAME: "default"}):
        yield "namespaceSelector leaves ordinary namespaces out"
    names = {condition.name for condition in hook.match_conditions or ()}
    if missing := [name for name in CONDITIONS if name not in names]:
        yield f"matchConditions lack {listed(missing)}: it is asked in vain"


def _judging(seen: HookSeen, ours: Hook) -> Iterator[Finding]:
    """Webhooks that judge what is to be stored: they warn, so that nothing breaks without them."""
    if not seen.judging.seen:
        yield unseen("judging", "webhooks that judge", seen.judging.told)
        return
    there = {hook.name: hook for each in seen.judging.items for hook in each.webhooks or ()}
    missing = [name for name in JUDGES if name not in there]
    wrong = [f"{name} is not there" for name in missing]
    for name in JUDGES:
        hook = there.get(name)
        if hook is not None and hook.failure_policy != "Ignore":
            wrong.append(f"failurePolicy of {name} is {hook.failure_policy}: without an answer nothing is stored")
        if hook is not None and hook.client_config.ca_bundle != ours.client_config.ca_bundle:
            wrong.append(f"caBundle of {name} is not that of {ours.name}")
    if wrong:
        yield warn("judging", f"{'; '.join(wrong)}", APPLY)
    else:
        yield ok("judging", "those that judge our objects and roll-outs are there")


def _ready(seen: HookSeen, hook: Hook | None) -> int | None:
    if hook is None or hook.client_config.service is None or not seen.endpoints.seen:
        return None
    return sum(
        len(endpoint.addresses)
        for each in seen.endpoints.items
        for endpoint in each.endpoints or ()
        if endpoint.conditions.ready is not False
    )


def _replicas(seen: HookSeen, hook: Hook, ready: int | None) -> Iterator[Finding]:
    service = hook.client_config.service
    if service is None:
        return
    logs = f"kubectl -n {service.namespace} get pods,endpointslices -l kubernetes.io/service-name={service.name}"
    if ready is None:
        yield unseen("replicas", f"endpoints of Service {service.name}", seen.endpoints.told)
    elif not ready:
        yield fail(
            "replicas", f"no replica is ready behind Service {service.name}: new pods come in without watts", logs
        )
    elif ready == 1:
        text = f"one replica is ready behind Service {service.name}: while it restarts, new pods come in without watts"
        yield warn("replicas", text, "run two")
    else:
        yield ok("replicas", f"{ready} replicas are ready behind Service {service.name}")
    told = seen.proxied
    if told is None or not ready:
        return
    if told.ok:
        yield ok("reached by the API server", f"its /readyz answers within {words.seconds(told.seconds)}")
    elif told.refused:
        yield unseen("reached by the API server", "the webhook by way of the API server", told)
    else:
        text = f"its /readyz does not answer by way of the API server: {told.trouble}"
        yield warn(
            "reached by the API server", text, "see network policies and firewalls from the API server to its port"
        )


def _heartbeat(cluster: Cluster) -> Iterator[Finding]:
    if not cluster.leases.seen:
        yield unseen("heartbeat", f"Leases of {NAMESPACE}", cluster.leases.told)
        return
    lease = cluster.lease(WEBHOOK_LEASE)
    if lease is None or lease.renewed_s is None:
        text = f"Lease {WEBHOOK_LEASE} has no heartbeat: nobody can tell whether the webhook lives"
        yield warn("heartbeat", text, "kubectl apply -f deploy/rbac.yaml, and see the log of `powerplane serve`")
        return
    now_s = cluster.now_s if cluster.server_s is None else cluster.server_s
    age_s = now_s - lease.renewed_s
    found = [*read_reports(lease.metadata.annotations).values()]
    alive = {each.replica: each.ready for each in found if abs(now_s - (seconds_of(each.at) or 0.0)) <= STALE_S}
    down = [name for name, ready in alive.items() if not ready]
    log = "see the log of `powerplane serve --webhook-port` there: it says what is missing"
    if abs(age_s) > STALE_S:
        old = f"{words.seconds(abs(age_s))} {'old' if age_s > 0 else 'ahead of the API server'}"
        text = f"the last heartbeat of a replica that is ready is {old} (Lease {WEBHOOK_LEASE})"
        yield fail("heartbeat", text, "see whether `powerplane serve --webhook-port` runs, and its log")
    elif not alive:
        yield fail("heartbeat", "no replica says that it runs", "see whether `powerplane serve --webhook-port` runs")
    elif len(down) == len(alive):
        yield fail("heartbeat", f"no replica is ready: {listed(down)}", log)
    elif down:
        yield warn("heartbeat", f"{words.count(len(down), 'replica')} of {len(alive)} not ready: {listed(down)}", log)
    else:
        yield ok("heartbeat", f"{listed(sorted(alive))} live; last {words.seconds(max(0.0, age_s))} ago")


def _self_test(probe: Probe) -> Finding:
    if not probe.namespace:
        text = "no policy in mode Initial or Enforce is for any namespace: no new pod is given watts"
        return ok("self test", text)
    told, where = probe.told, f"a new pod in namespace {probe.namespace}"
    if told.refused:
        return unseen("self test", f"what {where} is given (a dry run)", told)
    if not told.ok:
        return warn("self test", f"{where} is refused in a dry run: {told.trouble}", "see who refuses it")
    took = words.seconds(told.seconds)
    if not probe.watts and not probe.gated:
        return fail(
            "self test",
            f"{where}, which a policy acts on, comes in without watts (dry run, {took})",
            'see `certificates`, the log of `powerplane serve`, and the API server\'s log for "failed calling webhook"',
        )
    given = f"{where} is given {probe.watts} W{' and waits behind our gate' if probe.gated else ''} (dry run, {took})"
    if told.seconds > SLOW_S:
        return warn("self test", f"{given}: creating pods is slow", "see powerplane_admission_review_duration_seconds")
    return ok("self test", given)
