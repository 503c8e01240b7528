"""Manifests in columns: the same utterances as the JSON lines, kept while these stay as they are, in next to no memory."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from models.base.batching import Batches
from models.base.splits import divide, speaker_name, speaker_names
from preprocessors.base import Utterance, read_manifest, write_manifest
from processors.corpus import Corpus
from processors.manifest import BLOCK, Manifest, open_manifest, read_splits
from processors.store import facts, identity
from tests.conftest import ROOT
from utils.digest import digest


def rows(count, dataset="custom", prefix="u"):
    """Utterances that differ in every field, some of them with marks that JSON escapes."""
    made = []
    for i in range(count):
        made.append(
            Utterance(
                f'{prefix}{(i * 7919) % count:06d}{["", "é", "語", " x"][i % 4]}',
                dataset,
                ["ann", "", "bob\nx"][i % 3],
                f"/sound/{i}.wav",
                0.5 + i % 9,
                text=f'said "{i}"\u2028',
                language=["en-us", "de"][i % 2],
                textgrid=["", "/grid"][i % 2],
                start=[None, 0.0, 1.5][i % 3],
                audio_digest=["", f"{i:012x}"][i % 2],
            )
        )
    return made


@pytest.fixture
def manifest(tmp_path):
    return write_manifest(tmp_path / "data/custom/train.jsonl", rows(500))


def test_columns_are_the_lines(manifest):
    found = open_manifest(manifest)
    expected = read_manifest(manifest)
    assert found == expected and len(found) == 500 and found.files
    assert [found[i] for i in range(500)] == expected and found[-1] == expected[-1] and found[np.int64(3)] == expected[3]
    assert found[10:400:7] == expected[10:400:7] and found[::-1] == expected[::-1]
    assert found.seconds.tolist() == [u.seconds for u in expected]
    assert found.identities.to_pylist() == [identity(u) for u in expected]
    assert found.column("facts").to_pylist() == [facts(u) for u in expected]
    with pytest.raises(IndexError):
        found[500]


def test_parts_of_parts_keep_their_order():
    expected = rows(3 * BLOCK)
    found = Manifest.of(expected)
    assert found.table["id"].num_chunks == 3
    places = np.random.default_rng(0).permutation(len(expected))[:5000]
    assert found.take(places) == [expected[place] for place in places]
    odd = np.arange(len(expected)) % 2 == 1
    assert found.take(odd)[5:100] == expected[1::2][5:100]
    both = found[:10] + found[BLOCK - 3 : BLOCK + 3]
    assert both == expected[:10] + expected[BLOCK - 3 : BLOCK + 3]
    assert list(both.column("id").to_pylist()) == [u.id for u in both]
    assert Manifest.of([]) == [] and not Manifest.of([]) and Manifest.of(found) is found


def test_edited_lines_are_read_again(manifest):
    before = open_manifest(manifest)
    stamp = os.stat(manifest)
    columns = manifest.with_suffix(".arrow")
    made = columns.stat().st_mtime_ns
    assert open_manifest(manifest) == before and columns.stat().st_mtime_ns == made
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("said", "told"), encoding="utf-8")
    os.utime(manifest, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as long, and dated, as before
    assert "told" in open_manifest(manifest)[0].text
    assert "said" in before[0].text, "who has it open keeps what was there"


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0", b"x" * 1000])
def test_damaged_columns_are_made_again(manifest, damage):
    expected = list(open_manifest(manifest))
    columns = manifest.with_suffix(".arrow")
    columns.write_bytes(columns.read_bytes()[: -len(damage) - 1] if damage == b"" else damage)
    assert open_manifest(manifest) == expected
    assert len(columns.read_bytes()) > 1000


def test_where_nothing_can_be_written_they_are_in_memory(manifest, monkeypatch):
    def refused(*_, **__):
        raise OSError(30, "read-only")

    monkeypatch.setattr("processors.manifest.write_whole", refused)
    found = open_manifest(manifest)
    assert found == read_manifest(manifest) and not found.files
    assert pickle.loads(pickle.dumps(found)) == found


def test_errors_are_those_of_the_lines(manifest):
    with open(manifest, "a") as file:
        file.write('{"id": "a", "seconds": -1}\n')
    with pytest.raises(ValueError, match="train.jsonl:501: seconds cannot be -1"):
        open_manifest(manifest)
    assert [path.name for path in manifest.parent.iterdir()] == ["train.jsonl"]
    with pytest.raises(ValueError, match="no manifest .*none.jsonl: run the preprocess stage"):
        open_manifest(manifest.parent / "none.jsonl")


def test_what_is_left_out_is_said_each_time(manifest, caplog):
    with open(manifest, "a") as file:
        file.write(json.dumps({"id": "x" * 230}) + "\n")
    for _ in range(2):
        caplog.clear()
        assert len(open_manifest(manifest)) == 500
        assert "left out" in caplog.text and "train.jsonl:501" in caplog.text


def test_another_process_maps_the_same_file(manifest):
    found = open_manifest(manifest)[::3]
    sent = pickle.dumps(found)
    assert len(sent) < 5000 and pickle.loads(sent) == found
    manifest.with_suffix(".arrow").unlink()
    with pytest.raises(ValueError, match="has changed since this run began"):
        pickle.loads(sent)


def test_the_state_of_a_corpus_has_the_name_that_it_had(tmp_path):
    """The digest of a dict, and of equal ids the last: what was extracted before stays of use."""
    some = rows(3 * BLOCK)
    twice = [*some, Utterance(some[3].id, "custom", text="another")]
    for utterances in (some, some[::-1], twice, [], some[:1]):
        corpus = Corpus(["custom"], utterances)
        expected = {identity(u): facts(u) for u in utterances}
        assert corpus.digest == digest(expected)
        corpus.remember(tmp_path)
        assert json.loads((tmp_path / "state-custom.json").read_text(encoding="utf-8")) == expected
        assert corpus.differences(corpus._remembered(tmp_path)) == ""


def test_differences_are_named():
    some = rows(10)
    before = pa.Table.from_batches(Corpus(["custom"], some).state())
    now = [Utterance("new", "custom"), *some[1:9], Utterance(some[9].id, "custom", text="other", audio=some[9].audio, audio_digest="0")]
    told = Corpus(["custom"], now).differences(before)
    assert f"{identity(some[9])} text changed" in told and f"{identity(some[9])} sound changed" in told
    assert "custom/new new" in told and f"{identity(some[0])} gone" in told
    assert Corpus(["custom"], some).differences(before) == ""


def test_speakers_are_named_as_one_by_one():
    some = Manifest.of([*rows(30), *rows(30, "other")])
    numbers, names = speaker_names(some)
    assert [names[number] for number in numbers] == [speaker_name(u) for u in some]


def test_splits_of_several_corpora_follow_one_another(tmp_path):
    for name in ("custom", "vctk"):
        write_manifest(tmp_path / name / "train.jsonl", rows(20, name))
    found = read_splits(tmp_path, ["custom", "vctk"], "train")
    assert found == [*rows(20, "custom"), *rows(20, "vctk")] and len(found.files) == 2
    assert found.without([identity(found[3]), "none/such"]) == [u for u in found if u != found[3]]


MEASURE = """
import resource, sys
from pathlib import Path
from preprocessors.base import Utterance, write_manifest
from processors.corpus import Corpus
from processors.manifest import open_manifest
from models.base.batching import Batches
from models.base.splits import divide, speaker_names

def private():
    rows = [line.split() for line in open("/proc/self/smaps_rollup")]
    return next(int(row[1]) for row in rows if row[0] == "Private_Dirty:") * 1024

def start(folder):
    train = open_manifest(folder / "train.jsonl")
    corpus = Corpus(["custom"], train)
    division = divide({"train": train, "valid": [], "test": []}, set(speaker_names(train)[1]))
    taken = division.take("train")
    batches = Batches(taken.seconds, batch_seconds=200)
    return corpus, taken, batches, next(iter(batches))

small, large = map(Path, sys.argv[1:])
held = [start(small)]
before = private()
held.append(start(large))
print(private() - before)
"""


def test_a_hundred_thousand_utterances_take_little_memory(tmp_path):
    """Of a training process until its first batch; as objects they took 900 bytes each."""
    for name, count in (("small", 1000), ("large", 100_000)):
        made = [Utterance(f"u{i:06d}", "custom", f"s{i % 500}", f"/a/{i:040d}.wav", 1 + i % 7, "word " * 20) for i in range(count)]
        open_manifest(write_manifest(tmp_path / name / "train.jsonl", made))
    words = [sys.executable, "-c", MEASURE, str(tmp_path / "small"), str(tmp_path / "large")]
    told = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert int(told.stdout.split()[-1]) / 100_000 < 250


def test_a_division_of_many_utterances_is_that_of_few():
    """Whatever is read from columns, the choice is by names alone."""
    some = rows(4000)
    made = divide({"train": some, "valid": [], "test": []}, None)
    from_parts = divide({"train": Manifest.of(some[:3000]) + Manifest.of(some[3000:]), "valid": [], "test": []}, None)
    assert made.splits == from_parts.splits and len(made.splits["valid"]) == 200
    assert Batches(made.splits["train"].seconds, batch_size=8).updates(0) == 475
