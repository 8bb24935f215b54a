"""A run on a Ray cluster: the same table as without, stopped and gone on with, and with a machine lost."""

import json
import logging
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

import leo_drive
from benchmarks.crash import make_logs
from leo_drive.annotation.cluster import Cluster, Pool, _silence, plan_pool
from leo_drive.annotation.decoder import Decoder
from leo_drive.annotation.job import Asking, Job
from leo_drive.annotation.log import Cutting
from leo_drive.annotation.questions import read_questions
from leo_drive.annotation.run import annotate as run_annotate
from leo_drive.annotation.shares import Share, split
from leo_drive.annotation.store import Done
from leo_drive.annotation.table import Table
from leo_drive.annotation.tally import Tally
from leo_drive.clips.discovery import LogEntry, find_logs
from leo_drive.errors import InputError
from tests.annotation.hostile import MeetingPlace

WINDOWS, SECONDS = 40, 2  # the length of a window, and from one to the next


@pytest.fixture(scope="module")
def long_log(tmp_path_factory) -> Path:
    """A folder with one log of many windows, and an empty file."""
    return make_logs(tmp_path_factory.mktemp("long") / "logs", 1, seconds=WINDOWS * SECONDS)


@pytest.fixture(scope="module")
def nodes():
    """A cluster of two machines with a CPU each, and the second one of them."""
    utils = pytest.importorskip("ray.cluster_utils")
    small = {"num_cpus": 1, "object_store_memory": 80 * 1024**2, "include_dashboard": False}
    cluster = utils.Cluster(initialize_head=True, head_node_args=small)
    second = cluster.add_node(**{key: value for key, value in small.items() if key != "include_dashboard"})
    yield cluster, second
    cluster.shutdown()


@pytest.fixture
def job(questions) -> Job:
    cutting = Cutting(every=SECONDS, seconds=SECONDS, frames=2)
    return Job(read_questions(questions), cutting, Asking(4), "tiny", "0", "float32", batch=1)


def rows(out: Path) -> pd.DataFrame:
    return Table(out).rows().drop(columns="seconds")


def test_the_table_is_the_one_without_ray(run, nodes, long_log, questions, model, tmp_path):
    options = ("--every", SECONDS, "--seconds", SECONDS, "--frames", 2, "--max-new-tokens", 4, "--batch", 2)
    words = ("annotate", long_log, "-q", questions, "--model", model, *options)
    assert run(*words, "--out", tmp_path / "plain")[0] == 0
    status, out, err = run(
        *words, "--out", tmp_path / "ray", "--ray", nodes[0].address, "--workers", 1, "--json"
    )
    assert status == 0, err
    found = json.loads(out)
    assert found["complete"] and (found["windows"], found["answers"], found["failed"]) == (
        WINDOWS,
        2 * WINDOWS,
        2,
    )
    assert sum(worker["windows"] for worker in found["workers"]) == WINDOWS
    pd.testing.assert_frame_equal(rows(tmp_path / "ray"), rows(tmp_path / "plain"))
    assert (tmp_path / "ray" / "report.html").is_file()
    # Nothing is left to do, on the cluster or without it.
    status, out, _ = run(*words, "--out", tmp_path / "ray", "--json")
    assert status == 0 and json.loads(out)["windows"] == 0 and json.loads(out)["complete"]


def test_one_long_log_is_shared_out_and_survives_a_stop_and_a_lost_machine(
    nodes, long_log, job, model, tmp_path
):
    cluster, second = nodes
    plain = find_logs([long_log])
    stop, met = threading.Event(), set()

    def meeting(place: Path) -> list[LogEntry]:
        place.mkdir()
        return [MeetingPlace(e.name, e.path, {"place": place}) if e.path.stat().st_size else e for e in plain]

    def stop_underway(tally: Tally) -> None:
        if tally.windows:
            stop.set()

    def lose_underway(tally: Tally) -> None:
        met.update(worker.name for worker in tally.workers)
        if len(met) == 2 and second in cluster.worker_nodes:
            cluster.remove_node(second, allow_graceful=False)

    with Cluster(cluster.address, str(model)) as workers:
        assert workers.pool == Pool(workers=2, cpus=1, gpus=0)
        job = replace(job, **workers.facts())
        logs, out = meeting(tmp_path / "one"), tmp_path / "ray"
        tally = run_annotate(workers, logs, job, out, progress=stop_underway, stop=stop)
        kept = len(rows(out))
        assert 0 < tally.windows < WINDOWS and kept == 2 * tally.windows + 2 * (len(tally.ended) == 1)
        tally = run_annotate(workers, meeting(tmp_path / "two"), job, out, progress=lose_underway)
        assert tally.complete and tally.logs_done == 1
    assert len(met) >= 2 and len(cluster.list_all_nodes()) == 1
    run_annotate(leo_drive.load(model), plain, job, tmp_path / "plain")
    pd.testing.assert_frame_equal(rows(out), rows(tmp_path / "plain"))


def test_pieces_are_even_and_leave_nothing_out(long_log, videos, job):
    shares = [Share(entry) for entry in find_logs([videos, long_log])]
    shares[0] = replace(
        shares[0], done=Done(windows={("front", 0): {"vehicle": "yes", "action": None}}, total=3)
    )
    decoder = Decoder()
    try:
        pieces = list(split(shares, job, 8, decoder))
        whole = list(split(shares, replace(job, cutting=replace(job.cutting, skip_similar=1)), 8, decoder))
    finally:
        decoder.close()

    def windows(piece: list[Share]) -> list[tuple[str, int]]:
        return [(s.entry.name, w.index) for s in piece for w in (s.windows or {}).get("front", [])]

    sizes = {"d0.mp4": 3, "d1.mp4": 4, "d2.mp4": 5, "log000.mp4": WINDOWS}
    there = [(name, i) for name, size in sizes.items() for i in range(size)]
    assert [key for piece in pieces for key in windows(piece)] == there[1:]
    # The empty file stands for a window.
    assert [len(piece) if len(piece) == 8 else None for piece in map(windows, pieces)].count(8) >= 3
    assert all(len(windows(piece)) <= 8 for piece in pieces)
    assert {s.total for piece in pieces for s in piece} == {*sizes.values(), None}
    assert [s.error is not None for piece in pieces for s in piece].count(True) == 1
    # Windows that depend on those before them stay with one worker.
    assert max(len(windows(piece)) for piece in whole) == WINDOWS


@pytest.mark.parametrize(
    ("nodes", "told", "pool"),
    [
        ([{"CPU": 2.0}], {}, Pool(1, 2, 0)),
        ([{"CPU": 64.0}, {"CPU": 64.0}], {}, Pool(32, 4, 0)),
        ([{"CPU": 16.0}, {"CPU": 32.0, "GPU": 4.0}], {}, Pool(4, 4, 1)),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 1.0}], {"gpus": 0.5}, Pool(4, 4, 0.5)),
        ([{"CPU": 8.0, "GPU": 8.0}], {}, Pool(8, 1, 1)),
        ([{"CPU": 8.0, "GPU": 1.0}], {"gpus": 0, "cpus": 2}, Pool(4, 2, 0)),
        ([{"CPU": 1.0}], {"workers": 8, "gpus": 1}, Pool(8, 4, 1)),
    ],
)
def test_a_pool_fits_its_cluster(nodes, told, pool):
    assert plan_pool(nodes, **told) == pool


def test_a_cluster_without_room_is_said():
    with pytest.raises(InputError, match=r"4 CPUs and 1 GPUs of a worker .*there are: 2 CPUs and 0 GPUs"):
        plan_pool([{"CPU": 2.0}], gpus=1)


def test_only_rays_own_lines_are_silenced():
    pytest.importorskip("ray.data")
    mine, logger = logging.NullHandler(), logging.getLogger("ray.data")
    logger.addHandler(mine)
    try:
        _silence()
        assert mine.level == logging.NOTSET
        # Not even for those that are put on every logger, as pytest's are.
        assert [h.name for h in logger.handlers if h.level > logging.CRITICAL] in ([], ["console"])
    finally:
        logger.removeHandler(mine)


def test_the_cluster_file_is_one_that_ray_takes():
    autoscaler, jsonschema = pytest.importorskip("ray.autoscaler"), pytest.importorskip("jsonschema")
    schema = json.loads((Path(autoscaler.__file__).parent / "ray-schema.json").read_text())
    file = Path(leo_drive.__file__).parents[1] / "docs" / "cluster.yaml"
    jsonschema.validate(yaml.safe_load(file.read_text()), schema)


def test_without_ray_one_line_says_what_to_install(annotate, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    status, _, err = annotate("--ray", "auto")
    assert status == 2 and "pip install 'leo-drive[ray]'" in err and len(err.splitlines()) == 1
    status, _, err = annotate("--workers", 3)
    assert status == 2 and "give --ray too" in err and len(err.splitlines()) == 1
