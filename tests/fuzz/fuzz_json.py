"""JSON from outside: what is read is what `json` reads, has no key twice, and is refused in words otherwise."""

import json

import atheris

with atheris.instrument_imports(include=["powerplane.adapters.strict_json", "json"]):
    from powerplane.adapters.strict_json import MalformedError, read_once
from tests.admission.applying import pod, review
from tests.admission.hostile import bombs, full_pod
from tests.fuzz.running import fuzz, told

SEEDS = (
    review(full_pod()),
    review(pod()) + b"\n",
    b'{"a":"\\u003c\\u0026\\u003e\\u2028\\\\u0026","b":[1,-0.5,1e9,null,true,"\xc3\xa9"]}\n',
    b'{"\\u0026":1,"&":2}',
    b'{"a":{"b":1,"b":2}}',
    b"[1e999,NaN,-Infinity]",
    b'"\\ud800"',
    *(each[:2000] for _, each in bombs()),
)


def one_input(data: bytes) -> None:
    """Read, and compare with the plain reader."""
    try:
        found = read_once(data, "it")
    except MalformedError as error:
        told(error)
        return
    pairs: list[list[tuple[str, object]]] = []

    def seen(each: list[tuple[str, object]]) -> dict[str, object]:
        pairs.append(each)
        return dict(each)

    plain = json.loads(data, object_pairs_hook=seen)
    assert plain == found or json.dumps(plain) == json.dumps(found)
    assert all(len({key for key, _ in each}) == len(each) for each in pairs)


if __name__ == "__main__":
    fuzz(one_input, SEEDS)
