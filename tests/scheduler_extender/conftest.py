import pytest
from tests.scheduler_extender.small_state import Clock


@pytest.fixture
def clock():
    return Clock()
