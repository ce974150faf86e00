from tests.rig.processes import wait_for

from powerplane.adapters.prometheus import NodeWatt, WattsReading
from powerplane.adapters.sample_feed import SampleFeed
from powerplane.models.drift import Sample


class Script:
    """Answers with the readings it was given, one after the other, then with the last for ever."""

    def __init__(self, *readings):
        self.readings = list(readings)
        self.asked = 0

    def read(self):
        self.asked += 1
        reading = self.readings[0] if len(self.readings) == 1 else self.readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading


def test_samples_carry_the_time_at_which_they_were_measured():
    feed = SampleFeed(Script(WattsReading({"a": NodeWatt(250.5, 3.0)})), clock=lambda: 100.0)
    feed.ask()
    assert feed.samples() == {"a": Sample(250_500, 97.0)}


def test_without_an_answer_the_last_samples_stay_and_grow_old():
    feed = SampleFeed(Script(WattsReading({"a": NodeWatt(1.0, 0.0)}), WattsReading(error="refused")), clock=lambda: 5.0)
    feed.ask()
    feed.ask()
    assert feed.samples() == {"a": Sample(1000, 5.0)}
    assert (feed.failures, feed.error) == (1, "refused")


def test_a_source_that_raises_does_not_end_the_feed():
    source = Script(RuntimeError("bad"), WattsReading({"a": NodeWatt(1.0, 0.0)}))
    feed = SampleFeed(source, every_s=0.01)
    feed.start()
    assert wait_for(feed.samples, 5.0)
    feed.stop()
    assert feed.failures == 1
