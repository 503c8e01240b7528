"""Prompts: beside the segment or by the same speaker, as long as asked for, and the same whoever reads them."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from models.base.batching import Batches
from models.base.data import Utterances
from models.base.prompts import Prompting, Speakers, drawn_stretch
from preprocessors.base import Utterance, read_manifest
from processors.features import FeatureSet
from processors.manifest import Manifest
from tests.conftest import RATE, make_corpus
from tests.toy_features import Content  # noqa: F401 (registers the toy features)

HOP = 256
NAMES = ("mel", "number", "audio", "content")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("prompts"), [1.6, 1.9, 2.2, 1.6, 1.1, 1.0, 1.0], valid=2)


def dataset(folder, source="utterance", seconds=(0.3, 0.5), segment=20, seed=5, names=NAMES):
    settings = {"mel": {"n_mel": 20}, "number": {}, "audio": {}, "content": {}}
    features = FeatureSet(settings, sample_rate=RATE, hop_size=HOP)
    rows = read_manifest(folder / "data/custom/train.jsonl")
    prompting = Prompting(names, seconds, source)
    return Utterances(rows, features, ["mel", "number"], [], segment_frames=segment, seed=seed, prompting=prompting)


def test_a_prompt_lies_beside_the_segment(folder):
    data = dataset(folder)
    sides = Counter()
    lengths = set()
    for epoch in range(60):
        item = data[epoch, 2]
        own, prompt = item["number"], item["prompt_number"]
        assert prompt.tolist() == list(range(int(prompt[0]), int(prompt[-1]) + 1)) and prompt[-1] < 2.2 * RATE / HOP
        assert not set(own.tolist()) & set(prompt.tolist())
        assert item["prompt_first"] == prompt[0] - own[0]
        sides[bool(prompt[0] < own[0])] += 1
        lengths.add(item["prompt_frames"])
        assert len(prompt) == len(item["prompt_mel"]) == item["prompt_frames"] == len(item["prompt_audio"]) / HOP
    assert min(sides.values()) > 10, "before and behind"
    assert min(lengths) == 19 and max(lengths) == 31, "0.3 to 0.5 s"


def test_the_segment_is_drawn_as_without_prompts(folder):
    data = dataset(folder)
    plain = Utterances(data.utterances, data.features, ["mel", "number"], [], segment_frames=20, seed=5)
    for epoch in range(5):
        np.testing.assert_array_equal(data[epoch, 1]["number"], plain[epoch, 1]["number"])


@pytest.mark.parametrize("segment", [None, 95])
def test_without_room_it_lies_anywhere(folder, segment):
    data = dataset(folder, segment=segment)
    beginnings = {int(data[epoch, 0]["prompt_number"][0]) for epoch in range(60)}
    assert min(beginnings) < 10 and max(beginnings) > 60 and len(beginnings) > 20


def test_a_long_prompt_is_as_long_as_there_is_room(folder):
    item = dataset(folder, seconds=(50.0, 60.0))[0, 0]
    assert item["prompt_number"].tolist() == list(range(100)), "the whole utterance, as no side has room"
    item = dataset(folder, seconds=(0.3, 60.0))[0, 2]
    assert len(item["prompt_number"]) < 137 - 20


def test_where_a_stretch_lies():
    random = np.random.default_rng(0)
    found = Counter(drawn_stretch(random, 20, (8, 14), (3, 3)) for _ in range(4000))
    assert set(found) == {(first, 3) for first in (0, 1, 2, 3, 4, 5, 14, 15, 16, 17)}
    assert max(found.values()) < 1.4 * min(found.values()), "each place is as likely"
    drawn = {drawn_stretch(random, 20, (8, 14), (7, 9)) for _ in range(400)}
    assert drawn == {(0, 7), (0, 8), (1, 7)}, "only in front is room, for eight at most"
    assert {drawn_stretch(random, 5, (0, 5), (7, 9)) for _ in range(20)} == {(0, 5)}


def test_another_utterance_of_the_same_speaker(folder):
    data = dataset(folder, source="speaker")  # bob has 0, 2 and 4, ann 1 and 3
    seen = {index: set() for index in range(5)}
    expected = {0: {2, 4}, 1: {3}, 2: {0, 4}, 3: {1}, 4: {0, 2}}
    whole = [data.features(utterance, ["audio"])["audio"] for utterance in data.utterances]
    for epoch in range(20):
        for index in range(5):
            item = data[epoch, index]
            first = int(item["prompt_number"][0]) * HOP
            length = len(item["prompt_audio"])
            assert item["prompt_first"] == -item["prompt_frames"], "of another utterance: it ends where this one begins"
            for other in expected[index]:
                if np.array_equal(whole[other][first : first + length], item["prompt_audio"]):
                    seen[index].add(other)
    assert seen == expected


def test_the_only_utterance_of_a_speaker_is_its_own_prompt(folder):
    data = dataset(folder, source="speaker")
    prompting = Prompting(NAMES, (0.3, 0.5), "speaker")
    alone = Utterances(data.utterances[:2], data.features, ["mel", "number"], [], segment_frames=20, prompting=prompting)
    for epoch in range(20):
        item = alone[epoch, 1]
        assert not set(item["number"].tolist()) & set(item["prompt_number"].tolist())


def test_a_million_utterances_are_looked_up_at_once():
    random = np.random.default_rng(0)
    voices = random.integers(0, 5000, 200_000)
    rows = [Utterance(id=str(i), dataset="a" if voice % 2 else "b", speaker=str(voice // 2)) for i, voice in enumerate(voices)]
    speakers = Speakers(Manifest.of(rows))
    for index in random.integers(0, len(rows), 2000):
        other = speakers.another(int(index), random)
        assert other != index and voices[other] == voices[index]


def test_a_batch_has_prompts_padded_behind(folder):
    data = dataset(folder)
    items = [data[0, index] for index in range(5)]
    batch = data.collate(items)
    assert batch["prompt_first"].tolist() == [item["prompt_first"] for item in items]
    counts = batch["prompt_frames"].tolist()
    longest = max(counts)
    assert len(set(counts)) > 1 and batch["prompt_mel"].shape == (5, longest, 20)
    assert batch["prompt_audio"].shape == (5, longest * HOP) and batch["prompt_content"].shape == (5, longest, 2)
    silence = data.features.features["mel"].pad
    for row, count in enumerate(counts):
        np.testing.assert_array_equal(batch["prompt_mel"][row, :count], items[row]["prompt_mel"])
        assert (batch["prompt_mel"][row, count:] == silence).all()
        times = (batch["prompt_number"][row, :count] + 0.5) * HOP / RATE
        inside = times < times.max() - 0.02
        assert (batch["prompt_content"][row, :count, 0] - times)[inside].abs().max() <= 0.01 + 1e-6, "at its own clock"


@pytest.mark.parametrize("source", ["utterance", "speaker"])
def test_prompts_are_the_same_in_any_process_and_order(folder, source):
    """What was read in two processes, in one that accumulates, and by workers, is the same for each (epoch, index)."""
    plans = [{"processes": 2, "rank": 0}, {"processes": 2, "rank": 1}, {"accumulate": 2}]
    found = []
    for plan in plans:
        data = dataset(folder, source)
        batches = Batches(data.seconds, batch_size=2, seed=1, **plan)
        batches.epoch = 3
        loader = DataLoader(data, batch_sampler=batches, collate_fn=list, num_workers=2 if "accumulate" in plan else 0)
        found.append({item["id"]: item for batch in loader for item in batch})
    first, second, alone = found
    apart = first | second
    assert apart.keys() == alone.keys() and len(alone) == 5
    for name, item in apart.items():
        for key, value in item.items():
            np.testing.assert_array_equal(value, alone[name][key], err_msg=f"{name} {key}")


def test_what_cannot_be_is_named(folder):
    for seconds in ((0.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (1.0, float("inf"))):
        with pytest.raises(ValueError, match="train.prompt_seconds"):
            Prompting(("mel",), seconds)
    features = FeatureSet({"phone": {}}, sample_rate=RATE, hop_size=HOP)
    rows = read_manifest(folder / "data/custom/train.jsonl")
    with pytest.raises(ValueError, match="'phone' there are tokens"):
        Utterances(rows, features, [], [], prompting=Prompting(("phone",)))


def test_prompts_do_not_touch_the_random_state_of_training(folder):
    data = dataset(folder, "speaker")
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1]
    _ = data[0, 0]
    assert torch.equal(before[0], torch.get_rng_state()) and np.array_equal(before[1], np.random.get_state()[1])
