"""Tokens after the Lease was deleted, as by whoever takes the operator out of a cluster and puts it back."""

from tests.actuator.replica import Replica
from tests.actuator.test_plans import ended, published, until

from powerplane.actuator.fencing import Fence


def test_a_plan_of_a_lease_that_is_gone_is_brought_to_its_end():
    cluster, _, _ = published()
    until(cluster, Replica(cluster, 9), "Reserving")
    fence = Fence(lambda token: token == 1)
    new = Replica(cluster, 1)
    assert not new.look()
    fence.take_over(1, new.plans.highest_token())
    new.token = fence.written(1)
    assert ended(cluster, new) == ("Done", {("Done", "")})
    assert cluster.status("p")["token"] == 10
    assert fence.holds(10)
    assert not fence.holds(9)


def test_a_token_of_the_same_lease_is_written_as_it_is():
    fence = Fence(lambda token: token == 7)
    fence.take_over(7, 7)
    assert fence.written(7) == 7
    fence.take_over(7, 3)
    assert fence.written(7) == 7
    assert fence.holds(7)
