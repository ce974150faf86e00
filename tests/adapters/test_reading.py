"""Reading files that people give: bounded, whatever they are."""

import os
import threading
from pathlib import Path

import pytest

from powerplane.adapters.reading import read_file
from powerplane.models.errors import InputError


def test_a_file_of_exactly_the_limit_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file", max_file_bytes=5) == b"12345"


def test_a_pipe_is_read_to_its_end(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"domains: []",))
    writer.start()
    assert read_file(pipe) == b"domains: []"
    writer.join()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
def test_a_stream_without_end_is_refused_at_the_limit():
    with pytest.raises(InputError, match="goes on, more than the 5,000,000 bytes"):
        read_file(Path("/dev/zero"), max_file_bytes=5_000_000)


def test_a_missing_file_is_refused_with_its_example_indented(tmp_path):
    with pytest.raises(InputError, match="does not exist") as caught:
        read_file(tmp_path / "none", example="a: 1\nb: 2\n")
    assert caught.value.next_step == "write it, for example:\n\n    a: 1\n    b: 2"


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_file(tmp_path)
