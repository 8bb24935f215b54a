"""BLEU, METEOR and CIDEr: pycocoevalcap's own values, with and without Java."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from leo_drive.errors import LeoDriveError
from leo_drive.evaluation import language
from leo_drive.evaluation.language import PTB, WORDS, bleu, cider, meteor, rouge_l, tokenize

ANSWERS = [
    "Yes, the light is red.",
    "Because a café is on the left...",
    "",
    "We don't stop",
    "Stop at the light.",
]
REFERENCES = [
    ["The light is red.", "Yes."],
    ["There is a café on the left.", "A café!"],
    ["No.", "None of them"],
    ["We do not stop.", "We don't stop."],
    ["Stop at the light.", "The driver should stop at the red light."],
]

# pycocoevalcap 1.2 on these, with its own tokenizer in Java.
BLEU = {1: 0.949999999905, 2: 0.8440971507170213, 3: 0.7462778542782227, 4: 0.6283233978860202}
METEOR, CIDER, ROUGE = 0.5238378526966996, 4.00556025256185, 0.7532436253206974

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no Java here")


@needs_java
def test_with_java():
    tokens = tokenize(ANSWERS, REFERENCES)
    assert tokens.tokenizer == PTB
    assert tokens.answers[:4] == [
        "yes the light is red",
        "because a café is on the left",
        "",
        "we do n't stop",
    ]
    for order, value in BLEU.items():
        assert bleu(tokens, order).value == pytest.approx(value, rel=1e-9)
    assert cider(tokens).value == pytest.approx(CIDER)
    assert rouge_l(tokens).value == pytest.approx(ROUGE)
    assert meteor(tokens).value == pytest.approx(METEOR, abs=1e-12)


@needs_java
def test_the_programs_own_score_of_any_sample():
    tokens = tokenize(ANSWERS, REFERENCES)
    metric, program = meteor(tokens), language._meteor_program()
    for rows in ([0], [1, 3], [2], [4], [0, 0, 4], [0, 1, 2, 3, 4]):
        gts = {i: tokens.references[row] for i, row in enumerate(rows)}
        res = {i: [tokens.answers[row]] for i, row in enumerate(rows)}
        ours = metric.score(metric.statistics[rows].sum(axis=0))
        assert ours == pytest.approx(program.compute_score(gts, res)[0], abs=1e-12)


@needs_java
def test_a_program_that_died_is_one_line_and_the_next_time_there_is_another(capfd):
    tokens = tokenize(ANSWERS, REFERENCES)
    program = language._meteor_program()
    program.meteor_p.kill()
    program.meteor_p.wait()
    with pytest.raises(LeoDriveError, match="METEOR's Java program broke off; run again, with 2 GB"):
        meteor(tokens)
    del program
    assert meteor(tokens).value == pytest.approx(METEOR, abs=1e-12)
    assert not capfd.readouterr().err


def test_without_java(monkeypatch):
    monkeypatch.setattr(language.shutil, "which", lambda name: None)
    tokens = tokenize(ANSWERS, REFERENCES)
    assert tokens.tokenizer == WORDS and tokens.answers[3] == "we don't stop" and tokens.answers[2] == ""
    assert meteor(tokens) is None
    assert 0 < bleu(tokens).value < 1 and cider(tokens).value > 0


def test_a_java_that_does_not_run_is_none(monkeypatch, tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho Unable to locate a Java Runtime. >&2\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tokenize(ANSWERS, REFERENCES).tokenizer == WORDS
    assert language.find_java() == (
        None,
        f"needs Java, and {java} does not run (Unable to locate a Java Runtime.)",
    )


def test_whole_and_nothing():
    same = language.Tokens(["a b c d e"], [["a b c d e", "x"]], WORDS)
    assert bleu(same).value == pytest.approx(1) and rouge_l(same).value == 1
    assert cider(language.Tokens(["a", "b"], [["", ""], [""]], WORDS)) is None
    # Of a single question every word is in all references, and all would be worth nothing.
    assert cider(same) is None
    assert cider(language.Tokens(["a b", "c d"], [["a b"], ["c d"]], WORDS)).value > 0
    assert np.isclose(bleu(language.Tokens(["x y z w"], [["a b c d"]], WORDS)).value, 0)
