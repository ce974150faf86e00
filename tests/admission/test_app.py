"""The webhook over ASGI: a review in, an answer or a plain refusal out."""

import asyncio
import json

import pytest
from tests.admission.applying import operations, pod, response, review
from tests.admission.test_deciding import table
from tests.scheduler_extender.asking import ask, ask_once

from powerplane.adapters.serving.limits import RequestLimits
from powerplane.admission.app import AdmissionApp
from powerplane.admission.metrics import AdmissionMetrics


@pytest.fixture
def metrics():
    return AdmissionMetrics()


@pytest.fixture
def app(metrics):
    return AdmissionApp(table, metrics)


def figure(metrics, name, **labels):
    return metrics.registry.get_sample_value(f"powerplane_admission_{name}", labels) or 0.0


def test_a_new_pod_is_answered_with_a_patch_and_counted(app, metrics):
    reply = ask_once(app, "/mutate", review(pod()))
    assert (reply.status, len(operations(response(reply.body)))) == (200, 2)
    assert response(reply.body)["uid"] == "u-1"
    assert figure(metrics, "reviews_total", path="/mutate", result="changed") == 1
    assert figure(metrics, "requested_watts_total") == 20
    assert figure(metrics, "predictions_total", source="requests") == 1


def test_a_dry_run_is_answered_alike_and_counts_no_watts(app, metrics):
    dry, wet = (ask_once(app, "/mutate", review(pod(), dryRun=each)).body for each in (True, False))
    assert json.loads(dry) == json.loads(wet)
    assert figure(metrics, "requested_watts_total") == 20


def test_what_is_no_review_is_a_400_in_plain_words(app, metrics):
    reply = ask_once(app, "/mutate", b'{"request":')
    assert (reply.status, reply.headers[b"content-type"]) == (400, b"text/plain; charset=utf-8")
    assert figure(metrics, "reviews_total", path="/mutate", result="malformed") == 1


def test_until_the_watches_are_in_step_the_api_server_is_told_to_go_by_its_failure_policy(metrics):
    app = AdmissionApp(lambda: None, metrics)
    assert ask_once(app, "/mutate", review(pod())).status == 503
    assert ask_once(app, "/readyz", method="GET").status == 503
    assert ask_once(app, "/healthz", method="GET").status == 200


def test_what_goes_wrong_is_a_500_that_tells_no_more_than_its_kind(metrics, caplog):
    class Broken:
        def labels_of(self, _):
            raise RuntimeError("secret")

    reply = ask_once(AdmissionApp(Broken, metrics), "/mutate", review(pod()))
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert "failed" in caplog.text


def test_a_body_too_large_or_too_slow_is_refused(metrics):
    app = AdmissionApp(table, metrics, RequestLimits(body_bytes=100, read_timeout_s=0.05))
    assert ask_once(app, "/mutate", review(pod())).status == 413
    assert asyncio.run(ask(app, "/mutate", [b"{"], ending="silent")).status == 408


def test_other_paths_and_methods_are_refused(app):
    assert ask_once(app, "/validate-nothing", b"{}").status == 404
    assert ask_once(app, "/mutate", method="GET").status == 405
    assert b"powerplane_admission_reviews_total" in ask_once(app, "/metrics", method="GET").body
