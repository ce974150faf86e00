"""Types that are decoded for the first time by several threads at once."""

import subprocess
import sys

import msgspec

from powerplane.models.known_structs import know_structs
from powerplane.models.objects import Pod

RACE = """
import sys, threading
import msgspec
from powerplane.models.known_structs import know_structs

sys.setswitchinterval(1e-6)
RAW = b'{"a": {"f29": 1, "f0": "x"}, "g19": [{"f28": 2}]}'

def race(number):
    inner = msgspec.defstruct(f"In{number}", [(f"f{i}", int | str | None, None) for i in range(30)], module="racing.a")
    more = [(f"g{i}", list[inner] | None, None) for i in range(20)]
    outer = msgspec.defstruct(f"Out{number}", [("a", inner | None, None), *more], module="racing.b")
    assert know_structs("racing") >= 2
    start = threading.Barrier(6)

    def decode():
        start.wait()
        msgspec.json.decode(RAW, type=outer)

    threads = [threading.Thread(target=decode) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

for number in range(60):
    race(number)
"""


def test_threads_that_decode_a_type_for_the_first_time_at_once_end_nothing():
    ended = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_of_all_types_only_those_of_a_package_are_looked_at():
    class Foreign(msgspec.Struct):
        name: str

    assert Foreign.__module__.startswith("tests.")
    assert Pod.__module__.startswith("powerplane.")
    assert know_structs() >= 10
    assert know_structs("tests") >= 1
    assert know_structs("nobody") == 0
