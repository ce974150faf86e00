import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerplane.models.catalogue import gpu, load_catalogue, nearest_server, server_curve
from powerplane.models.catalogue_file import read_catalogue, typical_shape
from powerplane.models.catalogue_page import catalogue_page
from powerplane.models.curves import milliwatts_at
from powerplane.models.errors import InputError

CHECKOUT = Path(__file__).parents[2]

SERVER = """
servers:
  - {name: box, system: Box, cpu: C, sockets: 1, cores: 4, threads: 8, memory_gib: 16, idle_watts: 20, peak_watts: 80,
     source: a test}
shape_curves:
  - {system: Old, curve: [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100], source: a test}
"""
GPU = (
    "gpus: [{model: Card, aliases: [C], idle_watts: 10, min_limit_watts: 50, max_watts: 70, basis: typical, source: t}]"
)


def read(servers=SERVER, gpus=GPU):
    return read_catalogue(servers.encode(), gpus.encode())


def test_the_reference_page_is_written_from_the_data():
    assert (CHECKOUT / "docs/reference/catalogue.md").read_text() == catalogue_page(load_catalogue())


def test_every_server_has_a_source_and_rises_from_its_idle_to_its_peak():
    for row in load_catalogue().servers:
        assert row.source.startswith("SPECpower_ssj2008 result of ")
        assert 0 < row.curve.idle_mw < row.curve.peak_mw
        assert all(left <= right for left, right in pairwise(row.curve.milliwatts))


def test_every_accelerator_has_a_source_and_limits_in_order():
    for row in load_catalogue().gpus:
        assert row.source
        assert 0 < row.idle_watts <= (row.min_limit_watts or row.idle_watts) <= row.max_watts
        assert row.knee is None or 0 < row.knee <= 1


def test_sizes_and_makers_are_spread():
    servers = load_catalogue().servers
    assert servers[0].threads <= 8
    assert servers[-1].threads >= 512
    for maker in ("Intel", "AMD", "Ampere", "NVIDIA"):
        assert any(row.cpu.startswith(maker) for row in servers)


@pytest.mark.data
def test_idle_and_peak_of_every_server_are_those_of_a_published_result(data_dir):
    path = data_dir / "power" / "SPECpower-2026-03-09.csv"
    with path.open(newline="") as file:
        published = {
            (
                float(row["avg. watts @ active idle"]),
                float(row["avg. watts @ 100%"]),
                row["Total Threads"],
                row["Published"],
            )
            for row in csv.DictReader(file)
        }
    for row in load_catalogue().servers:
        month = row.source.removeprefix("SPECpower_ssj2008 result of ")[:8].replace(" ", "-")
        ends = (row.curve.idle_mw / 1000, row.curve.peak_mw / 1000)
        assert (*ends, str(row.threads), month) in published, row.name


@given(idle=st.floats(1, 500), rise=st.floats(1, 3000))
def test_the_typical_shape_of_one_straight_line_is_that_line(idle, rise):
    line = tuple(idle + rise * level / 10 for level in range(11))
    assert typical_shape([line]) == pytest.approx([level / 10 for level in range(11)])


def test_the_typical_shape_is_the_median_of_each_level():
    low = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
    middle = (0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 9.5, 10.0)
    high = (0.0, 5.0, 6.0, 7.0, 7.0, 8.0, 8.0, 9.0, 9.5, 9.9, 10.0)
    assert typical_shape([high, low, middle]) == tuple(watts / 10 for watts in middle)


def test_a_row_without_a_curve_has_the_typical_shape_between_its_own_ends():
    (box,) = read().servers
    assert box.shape == "typical"
    assert box.curve.milliwatts == tuple(range(20_000, 80_001, 6_000))


def test_a_published_curve_is_taken_as_it_is():
    row = next(row for row in load_catalogue().servers if row.name == "asus-rs720a-9654")
    assert row.shape == "published"
    assert row.curve.milliwatts[5] == 410_000


@given(threads=st.sampled_from([row.name for row in load_catalogue().servers]))
def test_a_node_of_a_servers_very_size_gets_a_server_of_that_size(threads):
    row = next(row for row in load_catalogue().servers if row.name == threads)
    found = nearest_server(row.threads, row.memory_gib)
    assert (found.threads, found.memory_gib) == (row.threads, row.memory_gib)


def test_cpus_weigh_more_than_memory_in_the_nearest_server():
    assert nearest_server(96, 393).name == "sugon-i620g30-8160"


@pytest.mark.parametrize("size", [(0, 64), (8, -1), (float("nan"), 64), (float("inf"), 64)])
def test_a_node_without_a_size_is_refused(size):
    with pytest.raises(InputError, match="no size to compare"):
        nearest_server(*size)


def test_an_unknown_server_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match="no server 'nosuch'") as caught:
        server_curve("nosuch")
    assert "dell-r640-8180" in caught.value.next_step


def test_a_servers_curve_can_be_drawn_from():
    curve = server_curve("dell-r640-8180")
    knots = curve.knots_ucores(112_000_000)
    assert milliwatts_at(knots, np.array(curve.milliwatts), knots)[-1] == 469_000


@pytest.mark.parametrize(
    ("product", "model"),
    [
        ("Tesla T4", "Tesla-T4"),
        ("tesla_t4-SHARED", "Tesla-T4"),
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "NVIDIA-A100-SXM4-40GB"),
        ("V100M32", "Tesla-V100-SXM2-32GB"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA-H100-80GB-HBM3"),
    ],
)
def test_a_product_is_found_however_its_name_is_spelled(product, model):
    assert gpu(product).model == model


def test_an_unknown_product_has_no_envelope():
    assert gpu("Voodoo-2") is None


def test_undisclosed_cards_say_that_they_are_assumed():
    assert gpu("G2").basis == gpu("G3").basis == "assumed"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("idle_watts: 20", "idle_watts: 90", "'box' idles at 90 W"),
        ("threads: 8", "threads: 2", "'box' lacks a size"),
        ("source: a test}\nshape", "source: ''}\nshape", "lacks a size or a source"),
        ("cpu: C, ", "", "cannot be read"),
        ("[0, 10,", "[10,", "has not eleven watts"),
        ("source: a test}\nshape", "curve: [20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 80], source: t}\nshape", "falls from 20 W"),
        ("source: a test}\nshape", "curve: [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9], source: t}\nshape", "from its idle to"),
    ],
)
def test_a_wrong_server_row_is_refused_by_name(old, new, message):
    assert old in SERVER
    with pytest.raises(InputError, match=message):
        read(servers=SERVER.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("min_limit_watts: 50", "min_limit_watts: 90", "takes limits from 90 to 70 W"),
        ("idle_watts: 10", "idle_watts: 0", "out of order"),
        ("basis: typical", "basis: guessed", "cannot be read"),
        ("basis: typical", "basis: typical, knee: 0.5", "its knee at 0.5"),
        ("source: t", "source: ''", "no source"),
        ("[C]", "[card]", "names 'card' twice"),
    ],
)
def test_a_wrong_accelerator_row_is_refused_by_name(old, new, message):
    assert old in GPU
    with pytest.raises(InputError, match=message):
        read(gpus=GPU.replace(old, new))
