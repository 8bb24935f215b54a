"""Ablations: variants are changes to a plan, and nothing is trained twice, whatever was stopped when."""

import json
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError
from leo_drive.model import LeoConfig, LeoForConditionalGeneration
from tests.processes import start_process
from tests.training.test_ablate_report import result
from training import ablate_run
from training.ablate import main
from training.ablate_plan import ABLATIONS, named_ablations
from training.ablate_report import summary, write_results
from training.ablate_run import draw_all, start_model
from training.ablate_study import open_study
from training.train import train

ROOT = Path(__file__).parent.parent.parent

TINY = {
    "model": "nano-from-scratch",
    "config": {
        "tile_size": 64,
        "text_config": {
            "hidden_size": 32,
            "head_dim": 8,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
        },
        "branches": {
            0: {
                "image_size": 64,
                "grid": 4,
                "width": 32,
                "encoder_args": {"embed_dim": 32, "depth": 1, "num_heads": 2},
            },
            1: {
                "image_size": 64,
                "grid": 8,
                "width": 8,
                "encoder_args": {
                    "embed_dim": 24,
                    "depth": 1,
                    "num_heads": 2,
                    "window_size": 4,
                    "neck_chans": 8,
                },
            },
        },
    },
    "draw": {
        "single": {"clips": 4, "frames": 1, "labels": True, "size": [128, 72]},
        "clips": {"clips": 4, "size": [128, 72]},
        "val": {"clips": 2, "split": "val", "size": [128, 72]},
    },
    "pretraining": {
        "language": {
            "train": ["language_model"],
            "data": [{"root": "data/clips", "frames": 0}],
            "steps": 3,
            "batch_size": 2,
            "learning_rate": 1e-3,
            "max_questions": 2,
            "workers": 0,
        },
    },
    "stages": {
        "stage1": {
            "train": ["branches", "projectors", "language_model"],
            "data": [{"root": "data/single", "frames": 1}],
            "steps": 4,
            "batch_size": 2,
            "learning_rate": 1e-3,
            "dense_weight": 1.0,
            "max_questions": 2,
            "workers": 0,
        },
        "stage2": {
            "train": ["projectors", "language_model"],
            "data": [{"root": "data/clips"}],
            "steps": 12,
            "batch_size": 2,
            "learning_rate": 1e-3,
            "max_questions": 2,
            "workers": 0,
        },
    },
    "evaluate": {"generated": "data/val"},
}
FROZEN_OR_NOT = {
    "title": "frozen or not",
    "paper": "Table 5",
    "variants": [
        {"name": "frozen"},
        {
            "name": "learning",
            "changes": {"stages": {"stage2": {"train": ["branches", "projectors", "language_model"]}}},
        },
    ],
}


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return str(path)


def ablation(tmp_path, **changes) -> str:
    path = tmp_path / "ablation.yaml"
    path.write_text(yaml.safe_dump({**FROZEN_OR_NOT, **changes}))
    return str(path)


@pytest.mark.parametrize("name", named_ablations())
def test_those_that_ship_build_and_say_what_the_paper_has(name, tmp_path):
    study = open_study(name, "nano", tmp_path, seeds=2, real="real-x")
    variants = study.ablation.variants
    assert len(study.trials) == 2 * len(variants) and study.ablation.paper
    assert len({trial.model for trial in study.trials}) == len(study.trials)
    # The same budget and data for all of a seed, but for what the variant names.
    budgets = {
        tuple(stage.recipe.steps * stage.recipe.batch_size for stage in t.stages) for t in study.trials
    }
    assert len(budgets) == 1
    assert {t.seed for t in study.trials[: len(variants)]} == {0}
    assert all(stage.recipe.seed == t.seed for t in study.trials for stage in t.stages)
    named = {"fusion", "encoders", "freezing", "tiles", "frames", "unshuffle"}
    assert named == set(named_ablations())


def test_what_variants_share_is_trained_once_and_nothing_else(tmp_path):
    def folders(name, **options):
        trials = open_study(name, "nano", tmp_path, **{"seeds": 1, **options}).trials
        return [(t.lines[-1].start.name, *(s.recipe.output.name for s in t.stages)) for t in trials]

    frames, freezing, encoders = (folders(name) for name in ("frames", "freezing", "encoders"))
    # A new model, and the stages: language, stage 1, stage 2.
    assert len({f[:3] for f in frames}) == 1 and len({f[3] for f in frames}) == 4
    assert len({f[2] for f in freezing}) == 3 and len({f[3] for f in freezing}) == 6
    assert [f[:3] for f in encoders] == [f[:3] for f in freezing[::2]], "the frozen ones share stage 1"
    assert frames[0][2] == freezing[0][2]
    everything = [f for name in named_ablations() for f in folders(name)]
    assert len({f[1] for f in everything}) == 1, "the language is learned once a seed"
    # Other seeds, steps and data are other models.
    for options in ({"seeds": 2}, {"steps": 300}, {"real": "real-x"}):
        assert folders("encoders", **options)[-1] != encoders[-1]


def test_variants_are_configurations(tmp_path):
    def first(name):
        return {t.variant: t for t in open_study(name, "nano", tmp_path, seeds=1).trials}

    frames = first("frames")["8 frames"].stages[-1].recipe
    assert frames.data[0].frames == 8 and frames.settings.trained_frames == 8
    assert frames.data[0].root.name.startswith("clips8-")
    # More frames, and nothing else: as many drives, as large.
    drawn = open_study("frames", "nano", tmp_path, seeds=1).plan.draw
    for name in ("clips", "val"):
        assert drawn[f"{name}8"] == drawn[name].model_copy(update={"frames": 8})
    assert first("freezing")["both, learning"].stages[-1].recipe.vision_cache is None
    assert first("freezing")["both, frozen (LEO)"].stages[-1].recipe.vision_cache is not None
    assert first("tiles")["two tiles"].stages[-1].recipe.settings.use_thumbnail is False


def test_more_frames_are_of_the_same_drives(tmp_path):
    tables = []
    for frames in (5, 8):
        write_dataset(tmp_path / str(frames), 2, size=(128, 72), frames=frames)
        tables.append(pd.read_parquet(tmp_path / str(frames) / "train.parquet"))
    five, eight = tables
    assert (five.question == eight.question).all() and (five.answer == eight.answer).all()
    assert {len(images) for images in eight.images} == {8}
    last = [tmp_path / "5" / five.images[0][-1], tmp_path / "8" / eight.images[0][-1]]
    assert last[0].read_bytes() == last[1].read_bytes()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"variants": [{"name": "a", "changes": {"config": {"fusoin": "x"}}}]}, "a: config: fusoin"),
        ({"variants": [{"name": "a", "changes": {"config": {"fusion": "x"}}}]}, "fusion='x' is not one of"),
        ({"variants": [{"name": "a", "changes": {"config": {"branches": {2: None}}}}]}, "a: 2 is no element"),
        ({"common": {"stages": {"stage2": {"steps": 0}}}}, "steps"),
        ({"variants": [{"name": "a", "changes": {"stages": {"stage2": {"stepz": 1}}}}]}, "a: stepz"),
        ({"variants": [{"name": "a", "changes": {"draw": {}}}]}, "draw belongs in common"),
        ({"variants": [{"name": "a", "changes": {"pretraining": {}}}]}, "pretraining belongs in common"),
        (
            {"variants": [{"name": "a", "changes": {"config": {"text_config": {"hidden_size": 64}}}}]},
            "a: config: another language model than",
        ),
        ({"common": {"encoders": "nano"}}, "frozen: encoders: there is no vit_intern300m_patch14_448 like"),
        ({"variants": []}, "variants"),
        ({"variants": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, "variants: a is there twice"),
        ({"commen": {}}, "commen"),
    ],
)
def test_a_wrong_ablation_is_one_clear_line(tmp_path, plan, changes, reason):
    with pytest.raises(InputError) as error:
        open_study(ablation(tmp_path, **changes), plan, tmp_path / "out")
    assert reason in str(error.value) and "ablation.yaml" in str(error.value) and "\n" not in str(error.value)


def test_a_wrong_option_is_one_clear_line(run_module):
    status, _, err = run_module("training.ablate", "fusion", "--steps", "0")
    assert status == 2 and len(err.splitlines()) == 1
    assert "Invalid value for '--steps'" in err and "see python -m training.ablate --help" in err


def test_an_unknown_name_says_those_there_are(tmp_path):
    for ablation, recipe, reason in (
        ("fusoin", "nano", r"fusoin: no YAML file, nor one that ships; did you mean fusion\?"),
        (
            "nano",
            "nano",
            "nor one that ships; there are encoders, frames, freezing, fusion, tiles, unshuffle",
        ),
        ("fusion", "leo8b", "leo8b: no YAML file, nor one that ships; there are nano"),
    ):
        with pytest.raises(InputError, match=reason):
            open_study(ablation, recipe, tmp_path)


@pytest.mark.parametrize(
    ("held_out", "reason"),
    [(None, r"nowhere/scenery: no such folder"), ("D2", r"no drive D2 to hold out; there are D1")],
)
def test_real_drives_that_are_not_there_are_missed_before_anything_is_drawn(tmp_path, held_out, reason):
    real = tmp_path / ("nowhere" if held_out is None else "real")
    if held_out is not None:
        (real / "scenery").mkdir(parents=True)
        (real / "scenery/train.parquet").touch()
        (real / "labels/D1").mkdir(parents=True)
    with pytest.raises(InputError, match=reason):
        main("frames", out_dir=tmp_path / "out", real=real, held_out=held_out or "D1", check=True)
    assert not (tmp_path / "out").exists()


def test_end_to_end_killed_and_gone_on_with(tmp_path, plan, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(ablate_run, "MAX_NEW_TOKENS", 8)  # what has learned nothing never ends
    out, table = tmp_path / "out", ablation(tmp_path)
    command = ["-m", "training.ablate", table, "--recipe", plan, "--seeds", "2"]
    process = start_process([*command, "--out", out, "--no-rehearse"])
    # Killed in the middle of the first stage 2, with the first stage 1 done.
    checkpoints = "models/stage2-*/checkpoints/checkpoint-*/trainer_state.json"
    while process.poll() is None and not list(out.glob(checkpoints)):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, said
    first = next(out.glob("models/stage1-*/model/model.safetensors"))
    stopped = next(out.glob("models/stage2-*"))
    written = first.stat().st_mtime_ns
    assert not (stopped / "model" / "README.md").exists()

    def run(**options) -> str:
        main(
            table, plan, 2, out, **{"steps": None, "real": None, "check": False, "rehearse": False, **options}
        )
        return capsys.readouterr().out

    said = run(check=True)
    assert "2 variants x 2 seeds, 4 models; 6 of 8 stages are to be trained" in said
    assert "learning, seed 1: about" in said and "Table 5" not in said
    assert not (stopped / "model").exists(), "checking trains nothing"

    said = run()
    assert first.stat().st_mtime_ns == written and "stage1, 4 steps" in said
    steps = pd.read_csv(stopped / "log.csv").step
    assert steps.max() == 12 and steps.is_unique
    assert not list(out.glob("models/*/checkpoints")) and not list((out / "vision_cache").iterdir())
    results = out / "ablation"
    rows = pd.read_csv(results / "results.csv")
    assert list(rows.variant) == ["frozen", "learning"] * 2 and list(rows.seed) == [0, 0, 1, 1]
    report = json.loads((results / "results.json").read_text())
    assert report["models"] == "4 of 4" and len(report["summary"]) == 2
    low, high = report["summary"][1]["difference_interval"]
    assert low <= report["summary"][1]["difference"] <= high
    assert "| frozen | generated | 2 |" in (results / "table.md").read_text()
    assert (results / "plot.png").stat().st_size > 1000 and "Table 5" in said
    starts = list(out.glob("models/start-*"))
    assert {LeoConfig.from_pretrained(path).tile_size for path in starts} == {64} and len(starts) == 4
    frozen, learning = (
        LeoForConditionalGeneration.from_pretrained(trial.model).state_dict()
        for trial in open_study(table, plan, out, seeds=1).trials
    )
    aligned = LeoForConditionalGeneration.from_pretrained(first.parent).state_dict()
    encoders = [name for name in aligned if name.startswith("branches.")]
    assert all(torch.equal(frozen[name], aligned[name]) for name in encoders)
    assert any(not torch.equal(learning[name], aligned[name]) for name in encoders)

    models = {path: path.stat().st_mtime_ns for path in out.glob("models/*/model/model.safetensors")}
    before = (results / "results.csv").read_bytes()
    assert "everything is there" in run(rehearse=True)
    assert models == {path: path.stat().st_mtime_ns for path in models}
    assert (results / "results.csv").read_bytes() == before


def test_variants_start_from_given_encoders_and_the_language_model_of_all(tmp_path, plan, monkeypatch):
    monkeypatch.chdir(ROOT)
    whole = ablation(tmp_path)
    study = open_study(whole, plan, tmp_path / "a", seeds=1)
    line = study.trials[0].lines[0]
    draw_all(study, None)
    start_model(study, line, 0)
    given = LeoForConditionalGeneration.from_pretrained(line.start).state_dict()

    # A plan with these encoders, another seed, and variants that leave one out or join otherwise.
    variants = [
        {"name": "SAM alone", "changes": {"config": {"branches": {0: None, 1: {"unshuffle": 2}}}}},
        {"name": "pre-adaptation", "changes": {"config": {"fusion": "pre_adaptation_sequence"}}},
    ]
    common = {"encoders": str(line.start)}
    study = open_study(ablation(tmp_path, common=common, variants=variants), plan, tmp_path / "b", seeds=2)
    draw_all(study, None)
    assert {trial.vision_cache for trial in study.trials} == {tmp_path / "b" / "vision_cache" / "given"}
    alone, joined = study.trials[2:]
    for stage in alone.lines[0].stages:
        start_model(study, alone.lines[0], 1)
        train(stage.recipe)
    language = LeoForConditionalGeneration.from_pretrained(alone.lines[0].model).state_dict()
    for trial, theirs in ((alone, [1]), (joined, [0, 1])):
        start_model(study, trial.lines[1], 1)
        state = LeoForConditionalGeneration.from_pretrained(trial.lines[1].start).state_dict()
        for name, tensor in state.items():
            part, number, rest = name.split(".", 2)
            if part == "branches":
                assert torch.equal(tensor, given[f"branches.{theirs[int(number)]}.{rest}"])
            elif part == "language_model":
                assert torch.equal(tensor, language[name])
    assert not torch.equal(language["language_model.lm_head.weight"], given["language_model.lm_head.weight"])


def test_the_spread_is_over_seeds_and_differences_are_of_one_seed(tmp_path, plan):
    study = open_study(ablation(tmp_path), plan, tmp_path / "out", seeds=2)
    results = [result("frozen", 0, 0.5), result("learning", 0, 0.6)]
    assert summary(results)[0]["balanced_accuracy_sd"] is None
    results += [result("frozen", 1, 0.7), result("learning", 1, 0.7)]
    first, second = summary(results)
    assert first["balanced_accuracy"] == pytest.approx(0.6) and first["difference"] is None
    assert first["balanced_accuracy_sd"] == pytest.approx(0.02**0.5)
    assert second["difference"] == pytest.approx(0.05)
    assert (second["difference_lowest"], second["difference_highest"]) == pytest.approx((0.0, 0.1))
    write_results(study, results, "python -m training.ablate x")
    text = (tmp_path / "out" / "ablation" / "table.md").read_text()
    assert (
        "| learning | generated | 2 | 0.650 ± 0.071 | +0.350 ± 0.071 | +0.050 (+0.000 to +0.100) | 32 |"
        in text
    )


def test_names_stand_in_table_and_plot_as_they_are(tmp_path, plan):
    names = ["5 | 2", r"a $\frac$ b"]
    study = open_study(
        ablation(tmp_path, title="cost in $, gain in $", variants=[{"name": n} for n in names]),
        plan,
        tmp_path / "out",
        seeds=1,
    )
    folder = write_results(study, [result(name, 0, 0.5) for name in names], "command")
    row = (folder / "table.md").read_text().splitlines()[-2]
    assert row.startswith(r"| 5 \| 2 | generated | 1 |")
    assert list(pd.read_csv(folder / "results.csv").variant) == names
    assert (folder / "plot.png").stat().st_size > 1000


def test_a_plan_of_another_model_is_refused(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({**TINY, "model": "leo-8b"}))
    with pytest.raises(InputError, match="model leo-8b is not one of nano-from-scratch"):
        open_study("fusion", str(path), tmp_path)


def test_every_yaml_that_ships_is_covered():
    assert {path.stem for path in ABLATIONS.glob("*.yaml")} == {*named_ablations(), "nano"}
