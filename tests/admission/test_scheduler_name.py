"""A policy's scheduler is for pods that name none."""

import pytest
from tests.admission.applying import container, pod

from powerplane.admission.scheduler_name import name_scheduler


@pytest.mark.parametrize("named", [None, "", "default-scheduler"])
def test_a_pod_that_names_no_scheduler_is_given_its_policys(named):
    made = pod(container())
    made["spec"]["schedulerName"] = named
    assert name_scheduler(made, "watts-scheduler") == [
        {"op": "replace", "path": "/spec/schedulerName", "value": "watts-scheduler"}
    ]
    assert name_scheduler(made, "watts-scheduler") == []


def test_a_pod_that_names_another_scheduler_keeps_it():
    made = pod(container())
    made["spec"]["schedulerName"] = "volcano"
    assert name_scheduler(made, "watts-scheduler") == []


def test_without_a_wish_nothing_is_changed():
    assert name_scheduler(pod(container()), "") == []
