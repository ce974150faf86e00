"""YAML that belongs to another program: read with its types, so that it can be written again as it was."""

from typing import Any

import yaml

from powerplane.adapters.yaml_text import parse_yaml
from powerplane.models.errors import InputError

LONGEST_BYTES = 1 << 20


class _Loader(yaml.SafeLoader):
    """YAML as sigs.k8s.io/yaml reads it, which knows no dates: they stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # the name and form are PyYAML's
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def parse_typed_yaml(data: bytes, source: str) -> Any:
    """Read one YAML (or JSON) document into dicts, lists, strings, numbers, booleans and None.

    Raises
    ------
    InputError
        As `parse_yaml` does; and for more than 1 MiB, and for aliases, which can blow up when written out.
    """
    if len(data) > LONGEST_BYTES:
        raise InputError(f"{source} has more than {LONGEST_BYTES} bytes", "give the configuration alone")
    parse_yaml(data, source)  # refuses doubles, depth, and more than one document
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(data, Loader=_Loader)):
            raise InputError(f"{source} uses an alias", "write out what it stands for")
        return yaml.load(data, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{source} is not YAML: {' '.join(str(error).split())}", "mend the file, try again") from error
