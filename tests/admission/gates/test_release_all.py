"""Whoever waits behind gates of ours is let go by hand; other controllers' gates, and placeholders, stay."""

import pytest
from tests.adapters.api_server import Api, kubeconfig

from powerplane.adapters.cluster_access import open_cluster
from powerplane.admission.gates.release_all import freeing, list_gated

POWER, MOVE, HOLD, THEIRS = "powerplane.dev/power", "powerplane.dev/move", "powerplane.dev/hold", "kueue.x-k8s.io/a"


def gated(name, *gates):
    meta = {"name": name, "namespace": "default", "uid": f"u-{name}"}
    return {"metadata": meta, "spec": {"schedulingGates": [{"name": gate} for gate in gates]}}


def carried_out(made, operations):
    """Names of a pod's gates after a patch, of which each test holds at its turn, as RFC 6902 has it."""
    left = [gate["name"] for gate in made["spec"]["schedulingGates"]]
    for each in operations[1:]:
        place = int(each["path"].rpartition("/")[2])
        if each["op"] == "test":
            assert {"name": left[place]} == each["value"]
        else:
            assert each["op"] == "remove"
            del left[place]
    return left


@pytest.fixture
def api():
    made = Api()
    yield made
    made.close()


@pytest.mark.parametrize(
    "gates", [(POWER,), (MOVE,), (MOVE, POWER), (POWER, MOVE), (POWER, THEIRS, MOVE), (THEIRS, MOVE)]
)
def test_gates_of_ours_come_off_in_one_write_and_others_stay(api, tmp_path, gates):
    made = gated("p", *gates)
    api.objects["pods"] = [made, gated("placeholder", HOLD), gated("theirs", THEIRS), gated("free")]
    (found,) = list_gated(open_cluster(kubeconfig(tmp_path / "config", api.address), None))
    assert (found.namespace, found.name) == ("default", "p")
    operations = freeing(found)
    assert operations[0] == {"op": "test", "path": "/metadata/uid", "value": "u-p"}
    assert len(operations) == 1 + 2 * sum(gate != THEIRS for gate in gates)
    assert carried_out(made, operations) == [gate for gate in gates if gate == THEIRS]
