"""What a run reads: draws, samples, the vision cache."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from leo_drive.data.lingoqa import read_lingoqa
from leo_drive.errors import InputError, LeoDriveError
from training.augment import move
from training.data import Collator, QuestionClips
from training.draws import Draws, EveryItem, shared
from training.labelled import LabelledFrames
from training.packing import IGNORE
from training.recipe import Augmentation, DataSource, read_recipe
from training.start import start_model
from training.vision_cache import VisionCache, encoders_hash, fill


class Numbers:
    """A source whose items are told by their number."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count

    def __len__(self) -> int:
        return self.count

    def length(self, index: int) -> int:
        return index

    def sample(self, index: int, rng: np.random.Generator):
        return self.name, index, rng.random()


def test_draws_follow_the_weights_and_go_through_everything_before_again():
    draws = Draws([Numbers("a", 10), Numbers("b", 7)], [3, 1], 400, seed=0)
    drawn = [draws[i][:2] for i in range(400)]
    shares = Counter(name for name, _ in drawn)
    assert 0.7 < shares["a"] / 400 < 0.8
    for name, count in (("a", 10), ("b", 7)):
        items = [i for n, i in drawn if n == name]
        for start in range(0, len(items) - count, count):
            assert sorted(items[start : start + count]) == list(range(count))


def test_a_draw_depends_on_seed_and_number_alone():
    one, two = (Draws([Numbers("a", 10)], [1], 50, seed=3) for _ in range(2))
    assert [one[i] for i in range(50)] == [two[i] for i in reversed(range(50))][::-1]
    other = Draws([Numbers("a", 10)], [1], 50, seed=4)
    assert [one[i] for i in range(50)] != [other[i] for i in range(50)]


def test_items_of_like_length_share_a_batch_and_none_is_lost():
    plain = Draws([Numbers("a", 1000)], [1], 1000, seed=0)
    grouped = Draws([Numbers("a", 1000)], [1], 1000, seed=0, group=8)
    assert sorted(grouped.item) == sorted(plain.item)

    def spread(draws: Draws) -> float:
        return float(np.mean([np.ptp(draws.item[i : i + 8]) for i in range(0, 1000, 8)]))

    assert spread(grouped) < spread(plain) / 10
    # Lengths do not rise along the run: the batches themselves are in a random order.
    firsts = grouped.item[: 400 // 8 * 8 : 8]
    assert abs(np.corrcoef(np.arange(len(firsts)), firsts)[0, 1]) < 0.5


@pytest.fixture(scope="module")
def model(tiny):
    from leo_drive.inference.load import open_model

    return open_model(str(tiny), torch.float32)


def test_every_question_is_drawn_and_rare_kinds_more_often_than_their_share(drives, model):
    _, processor = model
    clips = QuestionClips(DataSource(root=drives, frames=1), processor, max_questions=3)
    rng = np.random.default_rng(0)
    example = clips.examples[0]
    questions = example.questions
    drawn = Counter(q.question_id for _ in range(400) for (q,) in clips._drawn(example.conversations, rng))
    assert set(drawn) == {q.question_id for q in questions} and sum(drawn.values()) == 1200
    kinds = Counter(q.kind for e in clips.examples for q in e.questions)
    common = max(questions, key=lambda q: kinds[q.kind])
    rare = min(questions, key=lambda q: kinds[q.kind])
    assert drawn[rare.question_id] > 1.5 * drawn[common.question_id]


def test_an_epoch_has_every_question_once(drives, model, tmp_path):
    _, processor = model
    halves = [DataSource(root=drives, frames=1, share=share) for share in ((0, 0.5), (0.5, 1))]
    sources = [QuestionClips(source, processor, max_questions=4, every=True) for source in halves]
    weights = [len(source) for source in sources]
    draws = Draws(sources, weights, sum(weights), seed=3)
    asked: Counter[str] = Counter()
    for which, item in zip(draws.which, draws.item, strict=True):
        _, conversations = sources[which].items[item]
        assert len(conversations) <= 4
        asked.update(qa.question_id for (qa,) in conversations)
    everything = {qa.question_id for e in read_lingoqa(drives) for qa in e.questions}
    assert set(asked) == everything and set(asked.values()) == {1}
    first, second = ({e.example_id for e in source.examples} for source in sources)
    assert first and second and not first & second


@pytest.mark.parametrize("length, weights", [(10, [1, 1, 1]), (7, [5.0, 0.5]), (1, [1, 2, 3])])
def test_draws_are_shared_out_by_weight(length, weights):
    found = shared(length, weights)
    assert found.sum() == length
    assert (abs(found - np.array(weights) / sum(weights) * length) <= 1).all()


def test_a_sample_has_its_frames_and_answers(drives, model):
    _, processor = model
    clips = QuestionClips(DataSource(root=drives, frames=2), processor, max_questions=4)
    samples = [clips.sample(i, np.random.default_rng(i)) for i in range(2)]
    batch = Collator(processor.tokenizer.pad_token_id)(samples)
    assert [tuple(p.shape[:2]) for p in batch["pixels"]] == [(4, 3), (4, 3)]
    tokens = processor.leo.tokens_per_tile
    assert ((batch["input_ids"] == processor.leo.image_token_id).sum(1) == 2 * tokens).all()
    answers = {q.answer for q in clips.examples[0].questions}
    learned = processor.tokenizer.decode(batch["labels"][0][batch["labels"][0] != IGNORE])
    texts = learned.split("<|im_end|>")[:-1]
    assert len(texts) == 4 and set(texts) <= answers


@pytest.mark.parametrize("frames", [0, 2, 9, None])
def test_the_last_frames_are_shown(drives, model, frames):
    _, processor = model
    whole = QuestionClips(DataSource(root=drives), processor, max_questions=4).examples[0]
    clips = QuestionClips(DataSource(root=drives, frames=frames), processor, max_questions=4)
    shown = clips.examples[0].pictures
    assert shown == whole.pictures[5 - min(5, 5 if frames is None else frames) :]
    sample = clips.sample(0, np.random.default_rng(0))
    tokens = int((sample.packed.input_ids == processor.leo.image_token_id).sum())
    assert tokens == len(shown) * processor.leo.tokens_per_tile and (sample.pixels is None) == (frames == 0)


def test_follow_ups_put_conversations_behind_one_another(drives, model):
    """Nothing is lost or doubled, every answer is learned from, and lengths are told as they can come out."""
    _, processor = model
    source = DataSource(root=drives, frames=1)
    clips = QuestionClips(source, processor, max_questions=6, follow_ups=2)
    alone = QuestionClips(source, processor, max_questions=6)
    counted = set()
    for index in range(len(clips)):
        _, conversations = clips.items[index]
        tiles = clips.tile_counts(clips.items[index][0])
        prefix, own = clips.token_counts(index, tiles)
        for draw in range(20):
            packed = clips.sample(index, np.random.default_rng(draw)).packed
            runs = packed.group.bincount()[1:].tolist()
            answers = int(((packed.labels[1:] != IGNORE) & (packed.labels[:-1] == IGNORE)).sum())
            assert answers == min(6, len(conversations)) and len(runs) <= answers <= 3 * len(runs)
            assert max(runs) <= own[0] and len(packed.input_ids) <= prefix + sum(own)
            counted.add(len(runs))
        assert own[0] > alone.token_counts(index, tiles)[1][0]
    assert len(counted) >= 3


def test_a_follow_up_is_read_as_the_model_is_asked_it(drives, model):
    """Its tokens, after the earlier question and answer, are those of the prompt with that history."""
    _, processor = model
    clips = QuestionClips(DataSource(root=drives, frames=1), processor, max_questions=2, follow_ups=1)
    for draw in range(20):
        packed = clips.sample(0, np.random.default_rng(draw)).packed
        if int(packed.group.max()) == 1:
            break
    answers = processor.tokenizer.decode(packed.labels[packed.labels != IGNORE]).split("<|im_end|>")
    asked = {qa.answer: qa.question for qa in clips.examples[0].questions}
    first, second = (a.strip() for a in answers[:2])
    prompt = processor.prompt(asked[second], [1], [(asked[first], first)])
    ids = [*prompt.prefix, *prompt.question]
    assert packed.input_ids[: len(ids)].tolist() == ids


class Listening:
    """A tokenizer that counts the characters it is given."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer, self.characters = tokenizer, 0

    def __call__(self, text, **options):
        self.characters += len(text)
        return self.tokenizer(text, **options)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


def test_tiles_are_no_work_for_the_tokenizer_and_have_the_ids_of_their_text(drives, model, monkeypatch):
    _, processor = model
    clips = QuestionClips(DataSource(root=drives, frames=2), processor, max_questions=3)
    example, conversations = clips.items[0]
    (asked,) = conversations[0]
    text = processor._text(asked.question, (), 2, None, None)
    work = []
    for tiles in ([1, 1], [20, 9]):
        monkeypatch.setattr(processor, "tokenizer", Listening(processor.tokenizer))
        prefix, _ = clips.token_counts(0, tiles)
        ids = clips._pack(example, conversations[:1], tiles).input_ids.tolist()
        work.append(processor.tokenizer.characters)
        monkeypatch.undo()
        as_text = processor.tokenizer(processor._expand(text, tiles))["input_ids"]
        assert ids[: len(as_text)] == as_text
        prompt = processor.prompt(asked.question, tiles)
        assert [*prompt.prefix, *prompt.question] == as_text and len(prompt.prefix) == prefix
    assert work[0] == work[1]


def test_what_does_not_fit_the_context_names_the_clip(drives, model):
    _, processor = model
    clips = QuestionClips(DataSource(root=drives, frames=5), processor, 2)
    processor.leo.text_config.max_position_embeddings, kept = 60, processor.leo.context_length
    try:
        with pytest.raises(InputError, match=r"synthetic-0-train-000000: 5 tiles .* holds 60"):
            clips.sample(0, np.random.default_rng(0))
    finally:
        processor.leo.text_config.max_position_embeddings = kept


def test_label_maps_move_with_their_pictures(drives, model):
    _, processor = model
    source = DataSource(root=drives)
    still = LabelledFrames(source, processor, Augmentation())
    mirrored = LabelledFrames(source, processor, Augmentation(mirror=1.0))
    one, two = (frames.sample(3, np.random.default_rng(0)) for frames in (still, mirrored))
    assert np.array_equal(one.labels[:, :, ::-1], two.labels)
    torch.testing.assert_close(one.pixels[0].flip(-1), two.pixels[0])
    recoloured = LabelledFrames(source, processor, Augmentation(colour=0.5, jpeg=(60, 90)))
    three = recoloured.sample(3, np.random.default_rng(0))
    assert np.array_equal(three.labels, one.labels) and not torch.equal(three.pixels[0], one.pixels[0])
    moved = LabelledFrames(source, processor, Augmentation(crop=0.3, paste=1.0))
    assert moved.sample(3, np.random.default_rng(0)).labels.shape == one.labels.shape


def test_the_vision_cache_gives_what_the_encoders_give_and_encodes_once(tmp_path, drives, model, monkeypatch):
    leo, processor = model
    plain = QuestionClips(DataSource(root=drives, frames=3), processor, 4)
    cache = VisionCache.of(tmp_path, leo)
    cached = QuestionClips(DataSource(root=drives, frames=3), processor, 4, cache=cache)
    fill(cache, leo, cached.pictures())
    one, two = (clips.sample(1, np.random.default_rng(0)) for clips in (plain, cached))
    assert two.pixels is None and torch.equal(one.packed.input_ids, two.packed.input_ids)
    with torch.inference_mode():
        for ours, theirs in zip(two.features, leo.branch_features(one.pixels), strict=True):
            assert ours.dtype == torch.bfloat16
            torch.testing.assert_close(ours.float(), theirs, atol=2e-2, rtol=1e-2)
    monkeypatch.setattr(leo, "branch_features", None)  # a second filling has nothing to encode
    fill(cache, leo, cached.pictures())


def test_an_encoding_that_cannot_be_read_or_kept_is_one_clear_line(tmp_path, monkeypatch):
    cache = VisionCache(tmp_path)
    cache.write("k", [torch.zeros(1, 4, 8)])
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(LeoDriveError, match=r"k\.safetensors: .* cannot be read .* remove the file"):
        cache.read("k")

    def full(tensors, path):
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("training.vision_cache.save_file", full)
    with pytest.raises(LeoDriveError, match=r"k\.safetensors: cannot be written .* make room"):
        cache.write("k", [torch.zeros(1, 4, 8)])


def test_another_encoder_or_tiling_never_finds_these_encodings(tmp_path, recipe_file):
    recipe = read_recipe(recipe_file())
    one, _ = start_model(recipe)
    two, _ = start_model(recipe)
    assert encoders_hash(one) == encoders_hash(two)
    two.projectors[0][1].weight.data += 1  # what comes after the encoders does not matter
    assert encoders_hash(one) == encoders_hash(two)
    two.branches[1].encoder.neck[0].weight.data += 1e-3
    assert encoders_hash(one) != encoders_hash(two)


def test_validation_is_the_same_each_time(drives, model):
    _, processor = model
    items = EveryItem([QuestionClips(DataSource(root=drives, frames=1), processor, 3)])
    assert len(items) == 6
    assert torch.equal(items[4].packed.input_ids, items[4].packed.input_ids)


def test_text_that_holds_a_token_of_the_models_own_is_learned_as_text(tmp_path, model):
    _, processor = model
    asked, said = "What are <|im_end|> and <image>?", "Words, as <IMG_CONTEXT> is."
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]
    (tmp_path / "rows.json").write_text(json.dumps([{"conversations": turns}]))
    clips = QuestionClips(DataSource(root=tmp_path, format="llava"), processor, max_questions=1)
    sample = clips.sample(0, np.random.default_rng(0))
    assert sample.packed is not None
    ids = sample.packed.input_ids
    told = processor.tokenizer.decode(ids)
    assert "< |im_end|> and < image>?" in told and "as < IMG_CONTEXT> is." in told
    image_token = processor.tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")
    assert image_token not in ids.tolist()


def test_a_label_map_may_have_another_size_than_its_picture():
    picture, labels = np.zeros((108, 192, 3), np.uint8), np.zeros((54, 96), np.uint8)
    picture[:54, :96], labels[:27, :48] = 255, 1
    changes = Augmentation(crop=0.4, mirror=0.5)
    for seed in range(5):
        seen, told = move(picture, labels, 56, changes, np.random.default_rng(seed))
        assert ((seen[..., 0] > 127) == told).mean() > 0.95
    assert 0.2 < (move(picture, labels, 56, Augmentation(), np.random.default_rng(0))[0] > 127).mean() < 0.3
