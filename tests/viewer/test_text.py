"""Questions, answers and names are shown as the text that they are, and fetch nothing."""

from urllib.parse import urlencode

import pandas as pd

from apps.viewer.engine import Said
from leo_drive.data.lingoqa import read_part
from leo_drive.data.synthetic import write_dataset
from leo_drive.evaluation.lingoqa import evaluate_predictions
from leo_drive.inference import Answer
from tests.viewer.acting import (
    ask,
    foreign_requests,
    open_tab,
    said,
    wait_for_answers,
    wait_for_text,
)

HOST = "http://evil.example"
MARKUP = (
    f"![x]({HOST}/a.png) <img src='{HOST}/b.png'> **bold** $$x^2$$ [x]({HOST}) &lt; `code` "
    "${1 + 1} {{value}}"
)
"""What Markdown, HTML, LaTeX and templates would read."""


def say(monkeypatch, engine, text: str) -> None:
    """Have the model answer with a text."""

    def stream(clip, question, *_):
        yield text[: len(text) // 2]
        yield Said(Answer(question, text, 0.5, (text,), (-0.7,), clip.timestamps, {"encode": 0.0}), 0.1)

    monkeypatch.setattr(engine, "stream", stream)


def test_a_links_questions_and_name_are_only_text(site, visit):
    page = visit("about:blank", opened=False)
    foreign = foreign_requests(page, site.url)
    page.goto(f"{site.url}?{urlencode({'open': f'clip:{MARKUP}', 'q': MARKUP})}")
    said(page, MARKUP)
    page.locator("#linked .gallery-item").click()
    wait_for_answers(page, 1)
    wait_for_text(page, "#chat .user", MARKUP)
    assert page.locator("#chat .user img[src*=evil], #chat .user strong, #chat .katex").count() == 0
    # Whoever edits it finds what was asked.
    page.locator("#chat button[aria-label='Edit'], #chat button[title='Edit']").first.click()
    assert page.input_value("#chat textarea") == MARKUP
    assert foreign == []


def test_answers_are_only_text_wherever_they_are_shown(start, visit, engine, monkeypatch, drives, tmp_path):
    say(monkeypatch, engine, f"{MARKUP}\n# Second line")
    name = "**drive** <b> [x](x).mp4"
    (tmp_path / name).write_bytes((drives / "drive.mp4").read_bytes())
    site = start(logs=tmp_path)
    page = visit(f"{site.url}?{urlencode({'open': f'log:{name}'})}")
    foreign = foreign_requests(page, site.url)
    wait_for_text(page, "#title", name)
    ask(page, "Is it raining?")
    wait_for_text(page, "#chat .bot", f"{MARKUP}\n# Second line\n")
    open_tab(page, "Compare")
    for side in ("A", "B"):
        page.click(f"#take-{side}")
        page.wait_for_selector(f"#side-{side} img")
    page.get_by_text(f"{name}, 5.0 s").first.wait_for()
    page.fill("#compare-question textarea, #compare-question input", "Is it raining?")
    page.click("#compare-ask")
    page.wait_for_selector("#answer-B .leo-about")
    wait_for_text(page, "#answer-A", f"{MARKUP}\n# Second line\n")
    assert foreign == []


def test_reviewed_answers_are_only_text(start, visit, tmp_path):
    part, out = tmp_path / "part", tmp_path / "eval"
    write_dataset(part, 1, split="val", size=(192, 108), workers=1)
    segment = read_part(part)[0]
    asked = segment.questions[0]
    row = {"segment_id": segment.segment_id, "question_id": asked.question_id, "answer": MARKUP}
    pd.DataFrame([row]).to_csv(tmp_path / "predictions.csv", index=False)
    evaluate_predictions(part, tmp_path / "predictions.csv", out)
    site = start(reviews=(out,))
    page = visit(site.url)
    foreign = foreign_requests(page, site.url)
    open_tab(page, "Review")
    wait_for_text(page, "#review-table", MARKUP)
    page.click("[data-testid=cell-0-4]")
    wait_for_text(page, "#review-words", asked.question)
    wait_for_text(page, "#review-words", MARKUP)
    page.fill("#mark-text textarea, #mark-text input", MARKUP)
    page.click("#mark-fix")
    wait_for_text(page, "#review-words", f"corrected: {MARKUP}")
    assert page.locator("#review-words img, #review-words .katex").count() == 0 and foreign == []
