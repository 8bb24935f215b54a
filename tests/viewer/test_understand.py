"""What an answer rests on, and two sides compared."""

from tests.viewer.acting import ask, drag_to, open_tab, said, wait_for_text


def test_an_answer_is_measured_with_progress_and_drawn(site, visit):
    page = visit(site.url)
    page.click("#look button")
    page.click("#look-start")
    said(page, "nothing has been answered yet")
    ask(page, "Is there a vehicle ahead?")
    assert "not how the model reasons" in page.inner_text("#look-note")
    page.click("#look-start")
    wait_for_text(page, "#look-words", "of 40 patches measured")
    page.click("#look-stop")
    wait_for_text(page, "#look-words", "Stopped after")
    page.wait_for_selector("#look-pictures img")
    assert page.locator("#look-pictures img").count() == 5


def test_two_moments_side_by_side(site, visit):
    page = visit(site.url)
    open_tab(page, "Compare")
    page.fill("#compare-question textarea, #compare-question input", "Is there a traffic light?")
    page.click("#compare-ask")
    said(page, "side A has no moment yet")
    page.click("#take-A")
    page.wait_for_selector("#side-A img")
    open_tab(page, "Ask")
    drag_to(page, 0.4)
    wait_for_text(page, "#thread", "Asking about 2")
    open_tab(page, "Compare")
    page.click("#take-B")
    page.wait_for_selector("#side-B img")
    page.click("#compare-ask")
    for side in ("A", "B"):
        page.wait_for_selector(f"#answer-{side} .leo-about")
        assert "confidence" in page.inner_text(f"#answer-{side}")
    times = [page.locator(f"#side-{side} .caption-label").all_inner_texts() for side in ("A", "B")]
    assert times[0] != times[1]


def test_two_models_side_by_side(start, visit, tmp_path):
    from apps.viewer.engine import Engine
    from tests.model.tiny import tiny_leo

    network, processor = tiny_leo(tied=False)
    network.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    engine = Engine(["nano", str(tmp_path)], max_new_tokens=8)
    page = visit(start(own_engine=engine, compare_model=str(tmp_path)).url)
    open_tab(page, "Compare")
    page.click("#take-A")
    page.wait_for_selector("#side-A img")
    page.get_by_label("two models").check()
    page.fill("#compare-question textarea, #compare-question input", "Is there a vehicle ahead?")
    page.click("#compare-ask")
    page.wait_for_selector("#answer-A .leo-about")
    page.wait_for_selector("#answer-B .leo-about")
    assert "nano" in page.inner_text("#answer-A") and tmp_path.name in page.inner_text("#answer-B")
    engine.close()
