"""Several runs in one folder."""

import pandas as pd
import yaml

from tests.processes import start_process
from tests.training.test_ablate import FROZEN_OR_NOT, TINY, ablation
from training.sharing import Shared


def test_a_folder_in_use_stays_until_the_last_has_left(tmp_path):
    folder = tmp_path / "vision_cache" / "given"
    first, second = Shared(folder), Shared(folder)
    (folder / "encodings").mkdir(parents=True)
    first.leave()
    assert folder.is_dir()
    second.leave()
    assert not folder.exists()


def test_two_at_once_share_what_they_have_in_common(tmp_path):
    plan = tmp_path / "tiny.yaml"
    plan.write_text(yaml.safe_dump(TINY))
    whole = ablation(tmp_path)
    (tmp_path / "other.yaml").write_text(
        yaml.safe_dump({**FROZEN_OR_NOT, "variants": [*FROZEN_OR_NOT["variants"][::-1]]})
    )
    out = tmp_path / "out"
    options = ["--recipe", str(plan), "--seeds", "1", "--out", str(out), "--no-rehearse"]
    processes = [
        start_process(["-m", "training.ablate", table, *options])
        for table in (whole, str(tmp_path / "other.yaml"))
    ]
    said = ["".join(process.communicate()) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    # Of four stages each is trained by one of them, and each pass over the questions made once.
    assert "".join(said).count(" steps\n") - 2 == 4, said
    assert "".join(said).count(": measuring on generated") == 2, said
    rows = [pd.read_csv(out / name / "results.csv").set_index("variant") for name in ("ablation", "other")]
    pd.testing.assert_frame_equal(rows[0], rows[1].loc[rows[0].index])
    assert not list(out.glob("vision_cache/*/"))
