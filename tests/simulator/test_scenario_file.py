from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from tests.simulator.worlds import SMALL, study_of

from powerplane.adapters.schemas import schema_text
from powerplane.adapters.yaml_text import parse_yaml
from powerplane.models.errors import InputError
from powerplane.simulator.llm import BIN_S, ServingRates, draw_requests, read_requests, token_trace
from powerplane.simulator.scenario_file import read_scenario
from powerplane.simulator.scenario_schema import scenario_schema
from powerplane.simulator.scenario_shape import EXAMPLE
from powerplane.simulator.traces import Profile, draw_bursts, draw_waves
from powerplane.simulator.world import World

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "scenarios").glob("*.yaml"))
SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "schemas" / "scenario.schema.json"


def test_the_least_example_of_an_error_is_a_scenario(tmp_path: Path) -> None:
    study = study_of(EXAMPLE, tmp_path)
    assert len(study.spec.base.nodes) == 20
    assert study.policies == ("none", "plan")


def test_budgets_and_ratings_as_shares_are_of_the_peak_of_all_nodes_below(tmp_path: Path) -> None:
    study = study_of(SMALL, tmp_path)
    feed = study.spec.base.topology.by_name["feed-c"]
    peak = 8 * (320 + 30)
    assert feed.budget_mw == pytest.approx(0.8 * peak * 1000, abs=1)
    assert feed.breaker is not None
    assert feed.breaker.rating_mw == pytest.approx(0.9 * peak * 1000, abs=1)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("duration: 2h", "duration: 2 hours", "duration: '2 hours' is not a time"),
        ("duration: 2h", "duration: 0s", "duration: '0s' is not between"),
        ("step: 5s", "step: 5m", "step: '5m' is not between"),
        ("starts: Monday 08:00", "starts: 8 o'clock", 'starts: "8 o\'clock" is not a day'),
        ("seed: 3", "seed: -1", "seed: '-1' is not between"),
        ("cores: 16", "cores: many", "cluster.types.web.cores: 'many' is not a finite number"),
        ("memory: 64Gi", "memory: 64Gx", "cluster.types.web.memory: '64Gx' is not a quantity"),
        ("[1, 320]", "[1, 20]", "cluster.types.web.curve: power curve 'web' falls"),
        ("model: H100", "model: H1000", "cluster.types.gpu.accelerators: the catalogue has no accelerator 'H1000'"),
        ("nodes: {web: 4}", "nodes: {wep: 4}", "cluster.rows[1].nodes: no node type 'wep'"),
        ("racks: 2, nodes: {web: 4}", "racks: 1.5, nodes: {web: 4}", "cluster.rows[1].racks: '1.5' is not a whole"),
        ("feeds: [feed-a, feed-b]", "feeds: [feed-a, feed-a]", "cluster.rows[0].feeds: the feeds are: feed-a, feed-a"),
        (
            "requests: {cpu: 2, memory: 4Gi}, use: 60%",
            "requests: {cpu: 0}",
            "workloads[0].autoscale: pods without",
        ),
        ("budget: 90%", "budget: 90", "cluster.limits.rack.budget: the power '90' has no unit"),
        ("[1.3, 240]", "[1.3, 9000]", "cluster.limits.feed.breaker: breaker curve does not fall"),
        ("replicas: 40", "replicas: 4e9", "workloads[0].replicas: '4e9' is not between"),
        ("name: db", "name: shop", "workloads[1].name: 'shop' is empty or stands twice"),
        ("use: 60%", "use: 0.6", "workloads[0].use: '0.6' is not a share"),
        ("perHour: 60, ", "", "workloads[2]: a Job without perHour and minutes"),
        ("accelerators: 1}, tokens", "accelerators: 0}, tokens", "workloads[3].tokens: tokens without accelerators"),
        ("{perSecond: 4}", "{perSecond: .nan}", "workloads[3].tokens.synthetic.perSecond: '.nan' is not a finite"),
        ("synthetic: {perSecond: 4}", "file: none.csv", "workloads[3].tokens.file: "),
        ("kind: DaemonSet", "kind: Daemon", "workloads[5].kind"),
        ("seed: 3", "sead: 3", "unknown key 'sead' at the top of the file"),
        ("chance: 5%", "chanse: 5%", "unknown key 'chanse' at workloads[0].load"),
        ("seed: 3", "seed: 3\nevents: [{at: 1h}]", "events[0]: it has 0 things that happen"),
        ("seed: 3", "seed: 3\nevents: [{at: 300d, lose: feed-a}]", "events[0].at: '300d' is not before the end"),
        ("seed: 3", "seed: 3\npolicies: []", "policies: there is no policy"),
        ("seed: 3", "seed: 3\nevents: [{at: 1h, lose: feed-z}]", "events[0].lose: no domain 'feed-z'"),
        ("seed: 3", "seed: 3\nevents: [{at: 1h, heat: {row: rov, to: 40}}]", "events[0].heat.row: no such row"),
        (
            "seed: 3",
            "seed: 3\nevents: [{at: 1h, load: {workload: x, times: 2}}]",
            "load.workload: no workload",
        ),
        ("seed: 3", "seed: 3\npolicies: [prayer]", "policies"),
        ("seed: 3", "seed: 3\nsnapshot: there", "snapshot: it stands beside a cluster"),
        ("seed: 3", "seed: 3\nsensors: {noise: 300%}", "sensors.noise: '300%' is more than 100%"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_a_next_step(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    assert before in SMALL
    with pytest.raises(InputError) as error:
        study_of(SMALL.replace(before, after, 1), tmp_path)
    assert error.value.problem.startswith("scenario.yaml")
    assert told in error.value.problem
    assert error.value.next_step


def test_a_missing_file_is_told_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as error:
        read_scenario(tmp_path / "none.yaml")
    assert "workloads:" in error.value.next_step


def test_the_committed_schema_is_that_of_the_structs() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(scenario_schema()), (
        "next: python -m powerplane.simulator.scenario_schema docs/reference/schemas"
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_shipped_scenario_reads_fits_its_schema_and_starts_within_its_budgets(path: Path) -> None:
    raw = msgspec.yaml.decode(path.read_bytes())
    jsonschema.Draft202012Validator(scenario_schema()).validate(raw)
    world = World(read_scenario(path).spec)
    assert world.owners.waiting_count() == 0
    moment = world.moment()
    assert (moment.domain_watts <= moment.budget_watts).all()


def test_there_are_the_four_scenarios_that_the_documentation_names() -> None:
    assert {path.stem for path in EXAMPLES} >= {"feed-loss", "heat-wave", "llm-burst-day", "oversubscribed-row"}


@pytest.mark.parametrize("wrong", ["sead: 1", "duration: []", "workloads: [{name: x}]", "policies: [prayer]"])
def test_the_schema_refuses_what_the_reader_refuses(tmp_path: Path, wrong: str) -> None:
    validator = jsonschema.Draft202012Validator(scenario_schema())
    assert list(validator.iter_errors(msgspec.yaml.decode(wrong.encode())))
    with pytest.raises(InputError):
        study_of(wrong, tmp_path)
    assert parse_yaml(wrong.encode(), "x")


def test_a_snapshot_directory_runs_on_as_it_was_found(snapshot_directory: Path) -> None:
    path = snapshot_directory.parent / "scenario.yaml"
    path.write_text(f"duration: 10m\nsnapshot: {snapshot_directory.name}\n", encoding="utf-8")
    study = read_scenario(path)
    world = World(study.spec)
    names = set(study.spec.base.pods.names)
    for _ in range(20):
        world.step(5.0)
    assert names == set(world.truth().pod_name)
    predicted = study.spec.base.pods.use_ucores.sum() / 1e6
    assert 0.85 * predicted < world.truth().busy_cores.sum() <= predicted


def test_requests_are_read_in_the_form_of_the_azure_traces(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
    )
    requests = read_requests(path)
    assert requests.at_s == pytest.approx([0.0, 4.314579])
    assert requests.context.tolist() == [374.0, 396.0]
    assert requests.generated.tolist() == [44.0, 109.0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column 'TIMESTAMP'"),
        ("TIMESTAMP,ContextTokens\n1,2\n", "no column 'GeneratedTokens'"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "has no requests"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n1,2,3\nx,2,3\n", "line 3"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n1,nan,3\n", "line 2"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n1,-2,3\n", "line 2"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n1,2\n", "line 2"),
    ],
)
def test_requests_that_are_none_are_refused_with_their_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "requests.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        read_requests(path)


def test_a_token_trace_keeps_every_second_of_work() -> None:
    random = np.random.default_rng(0)
    requests = draw_requests(random, np.full(400, 3.0), context=800, generated=150)
    rates = ServingRates(prefill=10_000, decode=1_000)
    trace = token_trace(requests, rates, devices=4, duration_s=400 * BIN_S)
    work = (requests.context / 10_000 + requests.generated / 1_000).sum()
    assert trace.loads.sum() * BIN_S * 4 == pytest.approx(work)
    assert requests.context.mean() == pytest.approx(800, rel=0.1)
    later = trace.level(np.array([7.0, 7.0 + 400 * BIN_S]))
    assert later[0] == later[1]


def test_a_token_trace_knows_the_tokens_of_a_second_of_work() -> None:
    requests = draw_requests(np.random.default_rng(0), np.full(400, 3.0), context=800, generated=150)
    trace = token_trace(requests, ServingRates(10_000, 1_000), devices=4, duration_s=400 * BIN_S)
    device_seconds = trace.loads.sum() * BIN_S * 4
    tokens = [device_seconds * each for each in trace.tokens_per_work]
    assert tokens == pytest.approx([requests.context.sum(), requests.generated.sum()])


def test_a_profile_repeats_daily_rests_at_weekends_and_never_falls_below_zero() -> None:
    random = np.random.default_rng(1)
    phases, periods = draw_waves(random)
    bursts = draw_bursts(random, 7 * 86_400.0, per_day=5, minutes=10, times=2.0)
    plain = Profile((4.0, 14.0), (0.4, 1.0), weekend=0.5)
    hours = np.arange(0, 24 * 7) * 3600.0
    level = plain.level(hours)
    assert level[:24] == pytest.approx(level[24:48])
    assert level[5 * 24 : 6 * 24] == pytest.approx(0.5 * level[:24])
    assert level[14] == pytest.approx(1.0)
    assert level[9] == pytest.approx(0.7)
    busy = Profile((4.0, 14.0), (0.4, 1.0), chance=0.9, phases=phases, periods_s=periods, bursts=bursts)
    assert (busy.level(hours) >= 0).all()
    assert busy.level(bursts.at_s).mean() > plain.level(bursts.at_s).mean()


def test_recorded_requests_repeat_and_follow_the_shape_of_the_load(tmp_path: Path) -> None:
    rows = "".join(f"{second},900,200\n" for second in range(0, 3600, 2))
    (tmp_path / "requests.csv").write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    text = SMALL.replace(
        "tokens: {synthetic: {perSecond: 4}}", "tokens: {file: requests.csv}, load: {daily: [[0, 50%]]}"
    )
    trace = study_of(text, tmp_path).spec.workloads[3].trace
    level = trace.level(np.array([600.0, 4200.0, 2 * 86_400.0 + 600.0]))
    one = 0.5 * (900 / 12_000 + 200 / 1_500) / 4
    assert level == pytest.approx([0.5 * one] * 3, rel=0.15)


@pytest.mark.data
def test_azures_hour_of_requests_becomes_load_that_repeats(data_dir: Path) -> None:
    requests = read_requests(next((data_dir / "azure-llm").glob("*conv*.csv.gz")))
    assert len(requests.at_s) > 19_000
    assert 3000 < requests.at_s[-1] < 3700
    assert (np.diff(requests.at_s) >= 0).all()
    trace = token_trace(requests, ServingRates(12_000, 1_500), devices=4)
    seconds = requests.context.sum() / 12_000 + requests.generated.sum() / 1_500
    assert trace.level(np.arange(0, len(trace.loads)) * BIN_S).sum() * BIN_S * 4 == pytest.approx(seconds)
    assert 0.05 < trace.loads.mean() < 1.0
    assert trace.loads.max() > 1.5 * trace.loads.mean()
