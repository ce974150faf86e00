"""The checker stands apart from what it checks."""

import ast
from pathlib import Path

import powerplane.solver.check as package

DATA = ("powerplane.models.errors", "powerplane.models.objects", "powerplane.models.plan")
NAMES = {
    "powerplane.models.snapshot": {"Snapshot", "PodTemplate", "NO_BUDGET"},
    "powerplane.models.curves": {"PowerCurve"},
    "powerplane.models.topology": {"PowerTopology", "PowerDomain"},
}


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def test_the_checker_imports_plain_data_and_errors_only():
    files = sorted(Path(package.__file__).parent.glob("*.py"))
    found = [(module, name) for path in files for module, name in imports(path)]
    ours = [(m, n) for m, n in found if m.startswith("powerplane") and not m.startswith("powerplane.solver.check")]
    assert ours
    assert all(module in DATA or name in NAMES.get(module, ()) for module, name in ours)
    assert not [m for m, _ in found if m.split(".")[0] in ("numpy", "scipy", "networkx", "ortools", "highspy")]
