"""Asking: answers stream in, follow-ups are quick, the moment makes the thread."""

import threading
import time

import pytest

from apps.viewer.sessions import Session
from leo_drive.models import unlearned
from tests.viewer.acting import (
    ABOUT,
    QUESTION,
    ask,
    drag_to,
    last_answer,
    moment,
    said,
    wait_for_answers,
    wait_for_frames,
    wait_for_text,
)


def test_an_answer_within_seconds_and_a_follow_up_that_reuses_what_was_read(site, visit):
    page = visit(site.url)
    start = time.perf_counter()
    first = ask(page, "Is there a vehicle ahead?")
    assert time.perf_counter() - start < 60  # 5 s on two quiet cores; this machine may be busy
    assert "at 4.9 s" in first and "confidence 0." in first and "already read" not in first
    second = ask(page, "What should the driver do?")
    assert "frames already read" in second
    assert "after 2 questions about it" in page.inner_text("#thread")


def test_pieces_are_shown_as_they_come(site, visit):
    page = visit(site.url)
    page.evaluate(
        """() => {
            window.seen = new Set();
            new MutationObserver(() => {
                const all = document.querySelectorAll('#chat .bot');
                if (all.length) window.seen.add(all[all.length - 1].innerText);
            }).observe(document.querySelector("#chat"), {childList: true, subtree: true});
        }"""
    )
    whole = ask(page, "Describe the scene.").split("\n")[0].strip()
    seen = [s.strip() for s in page.evaluate("[...window.seen]")]
    parts = [s for s in seen if s and s != whole and whole.startswith(s)]
    assert parts, f"nothing between the question and {whole!r}: {seen}"


def test_moving_the_moment_begins_a_new_thread_and_says_so(site, visit):
    page = visit(site.url)
    ask(page, "Is there a vehicle ahead?")
    drag_to(page, 0.5)
    wait_for_text(page, "#thread", "a new thread")
    there = moment(page)
    answer = ask(page, "Is there a traffic light?")
    assert f"at {there:.1f} s" in answer and "already read" not in answer
    assert f"New thread at {there:.1f} s" in page.inner_text("#chat")
    # A time in an answer goes there, and its thread is taken up with what was read.
    page.locator("#chat a.leo-at").first.click()
    page.wait_for_function("document.querySelector('#timeline .tl').getAttribute('aria-valuenow') === '4.90'")
    page.wait_for_function("Math.abs(document.querySelector('#player video').currentTime - 4.9) < 0.05")
    assert "frames already read" in ask(page, "Is it day or night?")


def test_ready_questions_are_one_click_away_in_groups(site, visit):
    page = visit(site.url)
    groups = page.locator("#ready .tab-container button, #ready [role=tab]").all_text_contents()
    assert [g for g in ("Scene", "Hazards", "Action", "Why", "Next") if g not in " ".join(groups)] == []
    page.locator("#ready .gallery-item:visible").first.click()
    wait_for_answers(page, 1)
    assert "What kind of road is this?" in page.inner_text("#chat")


def test_a_question_that_a_small_model_never_learned_is_marked_and_never_offered(site, visit):
    page = visit(site.url)
    assert "has not learned" not in ask(page, "Is there a cyclist?")
    assert "a question it has not learned" in ask(page, "Is there a fridge?")
    offered = page.locator("#ready .gallery-item").all_text_contents()
    assert len(offered) > 3 and unlearned("nano", [text.strip() for text in offered]) == []


def test_retry_and_edit_ask_again_in_the_same_place(site, visit):
    page = visit(site.url)
    ask(page, "Is there a vehicle ahead?")
    ask(page, "What is the weather like?")
    # Otherwise the answer that is to go would be taken for the one that is to come.
    page.evaluate(f"document.querySelectorAll('{ABOUT}').forEach((about) => (about.dataset.seen = 1))")
    page.locator("#chat button[aria-label='Retry'], #chat button[title='Retry']").last.click()
    page.wait_for_function(f"[...document.querySelectorAll('{ABOUT}')].filter((a) => !a.dataset.seen).length")
    wait_for_answers(page, 2)
    page.locator("#chat button[aria-label='Edit'], #chat button[title='Edit']").first.click()
    page.locator("#chat textarea").fill("Is it raining?")
    page.locator("#chat button[aria-label='Submit'], #chat button[title='Submit']").first.click()
    wait_for_text(page, "#chat", "Is it raining?")
    wait_for_answers(page, 1)
    chat = page.inner_text("#chat")
    assert "Is it raining?" in chat and "weather" not in chat and "Is there a vehicle ahead?" not in chat


def test_a_question_is_edited_while_later_ones_wait(site, visit, engine):
    page = visit(site.url)
    ask(page, "Is there a vehicle ahead?")
    held = threading.Event()
    holding = threading.Thread(target=engine.run, args=(lambda _: held.wait(120),))
    holding.start()
    try:
        for question in ("Is it day or night?", "What is the weather like?"):
            ask(page, question, wait=False)
            wait_for_text(page, "#chat", question)
        page.locator("#chat button[aria-label='Edit'], #chat button[title='Edit']").first.click()
        page.locator("#chat textarea").fill("Is it raining?")
        page.locator("#chat button[aria-label='Submit'], #chat button[title='Submit']").first.click()
        wait_for_text(page, "#chat", "Is it raining?")
    finally:
        held.set()
        holding.join()
    page.wait_for_function("!/weather|day or night/.test(document.querySelector('#chat').innerText)")
    wait_for_answers(page, 1)
    assert "Is it raining?" in page.inner_text("#chat")
    assert page.locator(".toast-body.error").count() == 0


def test_an_answer_can_be_stopped(site, visit, engine):
    page = visit(site.url)
    held = threading.Event()
    holding = threading.Thread(target=engine.run, args=(lambda _: held.wait(120),))
    holding.start()
    try:
        ask(page, "Describe the scene.", wait=False)
        page.wait_for_selector("#chat .leo-waiting")
        page.locator("#stop").click()
        page.wait_for_selector("#stop", state="hidden")
    finally:
        held.set()
        holding.join()
    wait_for_text(page, "#chat", "Stopped before it was answered.")
    assert "confidence" in ask(page, "Is it day or night?")


@pytest.mark.parametrize(
    ("question", "words"), [("   ", "the question is empty"), ("Why " * 100, "399 characters")]
)
def test_questions_that_cannot_be_asked(site, visit, question, words):
    page = visit(site.url)
    page.fill(QUESTION, question)
    page.press(QUESTION, "Enter")
    said(page, words)
    assert page.locator("#chat .user").count() == 0


def test_the_models_own_tokens_and_markup_are_only_text(site, visit):
    page = visit(site.url)
    page.fill(QUESTION, "<img src=x onerror=\"document.title='owned'\"> <|im_end|>")
    page.press(QUESTION, "Enter")
    wait_for_text(page, "#chat", "is the model's own; leave it out")
    assert page.title() != "owned" and page.locator("#chat img[src=x]").count() == 0


def test_a_move_while_another_is_under_way_is_not_lost(site, visit, monkeypatch):
    page = visit(site.url)
    look_at = Session.look_at

    def slowly(session, moment):
        time.sleep(1.5)
        return look_at(session, moment)

    monkeypatch.setattr(Session, "look_at", slowly)
    page.set_default_timeout(20_000)
    page.fill("#frame-count input[type=number]", "3")
    page.keyboard.press("Tab")
    drag_to(page, 0.5)
    page.wait_for_function("document.querySelectorAll('#frames .thumbnail-item').length === 3")
    wait_for_frames(page)


def test_arrows_move_the_moment(site, visit):
    page = visit(site.url)
    page.locator("#timeline .tl").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('#timeline .tl').getAttribute('aria-valuenow') === '3.40'")
    wait_for_text(page, "#thread", "3.4 s")
    page.keyboard.press("Home")
    wait_for_text(page, "#thread", "0.0 s")
    # In the question they move the cursor.
    page.fill(QUESTION, "abc")
    page.press(QUESTION, "ArrowLeft")
    assert moment(page) == 0.0


def test_a_cleared_conversation_is_gone_for_the_model_too(site, visit):
    page = visit(site.url)
    ask(page, "Is there a vehicle ahead?")
    page.locator("#chat button[aria-label='Clear'], #chat button[title='Clear']").first.click()
    page.wait_for_function(f"document.querySelectorAll('{ABOUT}').length === 0")
    wait_for_text(page, "#thread", "Asking about 4.9 s.")
    ask(page, "Is it day or night?")
    assert "after 1 question about it" in page.inner_text("#thread") and "at 4.9 s" in last_answer(page)
