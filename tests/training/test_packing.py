"""Several questions in one pass must train exactly as each alone."""

import pytest
import torch

from benchmarks.train_step import sides
from tests.model.tiny import noise_clip, tiny_leo
from training.packing import IGNORE, collate, pack
from training.trainer import TrainingModel

TURNS = [
    ("Is there a vehicle ahead?", "Yes."),
    ("What should the driver do?", "Stop."),
    ("What?", "A vehicle."),
]


def packed_and_alone():
    model, processor = tiny_leo(tied=False)
    clip = noise_clip(2)
    tiles = [t for frame in processor.tiles(clip.frames, [1, 1]) for t in frame]
    pixels = processor.pixel_values(tiles)
    read = [processor.turns([turn], [1, 1]) for turn in TURNS]
    return model, processor, pixels, read[0][0].prefix, [turns for _, turns in read]


def test_logits_and_loss_equal_the_separate_passes():
    model, processor, pixels, prefix, turns = packed_and_alone()
    together = pack(prefix, turns)
    batch = collate([together], processor.tokenizer.pad_token_id)
    with torch.inference_mode():
        packed = model(**batch, pixel_values=pixels)
        losses, answers = 0.0, 0
        start = len(prefix)
        for [(question, answer)] in turns:
            ids = torch.tensor([[*prefix, *question, *answer]])
            labels = torch.tensor([[IGNORE] * (len(prefix) + len(question)) + list(answer)])
            alone = model(ids, pixel_values=pixels, labels=labels)
            length = len(question) + len(answer)
            torch.testing.assert_close(
                packed.logits[0, start : start + length], alone.logits[0, len(prefix) :], atol=1e-4, rtol=1e-4
            )
            start += length
            losses += float(alone.loss) * len(answer)
            answers += len(answer)
    assert abs(float(packed.loss) - losses / answers) < 1e-5


def test_a_question_does_not_see_another():
    model, processor, pixels, prefix, turns = packed_and_alone()
    [(question, answer)] = turns[1]
    changed = [turns[0], [([5] * len(question), answer)], turns[2]]
    with torch.inference_mode():
        logits = [
            model(**collate([pack(prefix, t)], processor.tokenizer.pad_token_id), pixel_values=pixels).logits[
                0
            ]
            for t in (turns, changed)
        ]
    last = sum(len(ids) for ids in turns[2][0])
    torch.testing.assert_close(logits[0][-last:], logits[1][-last:])
    assert not torch.allclose(logits[0], logits[1])


def test_loss_is_on_answers_and_their_end_only():
    _, processor, _, prefix, turns = packed_and_alone()
    packed = pack(prefix, turns)
    learned = packed.labels[packed.labels != IGNORE].tolist()
    assert processor.tokenizer.decode(learned) == "Yes.<|im_end|>Stop.<|im_end|>A vehicle.<|im_end|>"
    assert torch.equal(packed.labels[packed.labels != IGNORE], packed.input_ids[packed.labels != IGNORE])


def test_padding_changes_nothing():
    model, processor, pixels, prefix, turns = packed_and_alone()
    short, long = pack(prefix, turns[:1]), pack(prefix, turns)
    pad = processor.tokenizer.pad_token_id
    with torch.inference_mode():
        alone = model(**collate([short], pad), pixel_values=pixels).logits[0]
        both = model(**collate([short, long], pad), pixel_values=[torch.cat([p, p]) for p in pixels]).logits[
            0
        ]
    torch.testing.assert_close(both[: len(alone)], alone, atol=1e-4, rtol=1e-4)
    assert both.isfinite().all()


def test_a_conversation_of_several_turns_is_learned_answer_by_answer():
    model, processor, pixels, _, _ = packed_and_alone()
    turns = [("Is there a vehicle ahead?", "Yes, there is."), ("What should the driver do?", "Stop.")]
    prompt, ids = processor.turns(turns, [1, 1])
    packed = pack(prompt.prefix, [ids])
    learned = packed.labels != IGNORE
    assert processor.tokenizer.decode(packed.labels[learned]) == "Yes, there is.<|im_end|>Stop.<|im_end|>"
    # The text is that of a conversation: what `ask` with history reads before the second answer.
    asked = processor.prompt(turns[1][0], [1, 1], history=turns[:1])
    read = [*ids[0][0], *ids[0][1], *ids[1][0]]
    assert processor.tokenizer.decode(read) == processor.tokenizer.decode(asked.question)
    whole = torch.tensor([[*prompt.prefix, *(i for turn in ids for part in turn for i in part)]])
    batch = collate([packed], processor.tokenizer.pad_token_id)
    with torch.inference_mode():
        together = model(**batch, pixel_values=pixels)
        alone = model(whole, pixel_values=pixels, labels=packed.labels.unsqueeze(0))
    torch.testing.assert_close(together.logits, alone.logits, atol=1e-4, rtol=1e-4)
    assert abs(float(together.loss) - float(alone.loss)) < 1e-5
    # Token by token: the loss is the mean over exactly the learned ones.
    logprobs = alone.logits[0, :-1].log_softmax(-1)
    picked = [-float(logprobs[i - 1, packed.labels[i]]) for i in learned.nonzero()[:, 0].tolist()]
    assert abs(sum(picked) / len(picked) - float(alone.loss)) < 1e-5


def test_only_answers_have_logits_and_the_loss_and_its_gradients_stay_the_same():
    leo, processor, pixels, prefix, turns = packed_and_alone()
    two = [pack(prefix, turns[:1]), pack(prefix, turns)]  # the first is padded
    batch = collate(two, processor.tokenizer.pad_token_id)
    shown = [torch.cat([p, p]) for p in pixels]
    whole = leo(**batch, pixel_values=shown).loss
    whole.backward()
    expected = {name: p.grad.clone() for name, p in leo.named_parameters() if p.grad is not None}
    leo.zero_grad()
    widths = []
    leo.get_output_embeddings().register_forward_hook(lambda _, given, out: widths.append(out.shape[1]))
    loss = TrainingModel(leo, 1.0, 0.0)(pixels=shown, **batch)["answer_loss"]
    loss.backward()
    torch.testing.assert_close(loss, whole)
    assert expected.keys() == {name for name, p in leo.named_parameters() if p.grad is not None}
    for name, parameter in leo.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], atol=1e-6, rtol=1e-4, msg=name)
    learned = (batch["labels"][:, 1:] != IGNORE).any(0).sum()
    assert widths == [learned] and learned < batch["labels"].shape[1] // 2


def test_both_sides_of_the_benchmark_learn_the_same(tmp_path):
    losses = {name: one() for name, one in sides(tmp_path, "nano", clips=1, questions=2)}
    assert list(losses) == ["plain", "packed", "plain, cached", "packed, cached"]
    assert losses["packed"] == pytest.approx(losses["plain"], abs=1e-5)
    # Encodings are kept in bfloat16.
    assert list(losses.values()) == pytest.approx([losses["plain"]] * 4, abs=2e-3)
