"""What benches do with errors on their command lines."""

from powerplane.bench.command import as_command
from powerplane.models.errors import UsageError


def test_an_error_goes_to_stderr_with_its_next_step_and_its_code_ends_the_command(capsys):
    error = UsageError("no data", "give --data DIR")

    @as_command
    def main() -> int:
        raise error

    assert main() == error.exit_code != 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "no data" in told.err
    assert "give --data DIR" in told.err


def test_a_command_that_goes_well_keeps_its_own_code():
    assert as_command(lambda code: code)(3) == 3
