"""Batches: the same count on every process, nothing dropped, little padding, a plan that any split of the work shares."""

import numpy as np
import pytest

from models.base.batching import Batches

LENGTHS = np.random.default_rng(0).lognormal(1.4, 0.6, 1000).clip(0.5, 30)  # the spread of LibriTTS


@pytest.mark.parametrize("processes,accumulate", [(1, 1), (2, 1), (3, 1), (2, 4), (5, 3)])
def test_every_utterance_once_and_equal_counts(processes, accumulate):
    shares = []
    for rank in range(processes):
        shares.append(list(Batches(LENGTHS, batch_seconds=60, processes=processes, rank=rank, accumulate=accumulate)))
    assert len({len(share) for share in shares}) == 1
    assert len(shares[0]) % accumulate == 0
    seen = sorted(index for share in shares for batch in share for _, index in batch)
    assert seen == list(range(len(LENGTHS)))


def test_bounded_in_seconds_but_a_long_one_is_not_dropped(caplog):
    with caplog.at_level("WARNING", logger="amphion"):
        batches = Batches([*LENGTHS, 200.0], batch_seconds=60)
    assert "longer than batch_seconds" in caplog.text
    for [batch] in batches.plan(0):
        padded = len(batch) * max(batches.seconds[batch])
        assert padded <= 60 or batch == [len(LENGTHS)]


def test_three_ways_to_sixteen_see_the_same_utterances():
    one = Batches(LENGTHS[:160], batch_size=16, seed=3)
    two = Batches(LENGTHS[:160], batch_size=8, processes=2, seed=3)
    twice = Batches(LENGTHS[:160], batch_size=8, accumulate=2, seed=3)
    for epoch in (0, 1):
        plans = [[sorted(i for batch in update for i in batch) for update in b.plan(epoch)] for b in (one, two, twice)]
        assert plans[0] == plans[1] == plans[2]
    assert one.plan(0) != one.plan(1)


def test_skip_goes_on_where_it_stopped():
    batches = Batches(LENGTHS, batch_seconds=60, accumulate=2, seed=1)
    batches.epoch = 4
    whole = list(batches)
    batches.skip = 7
    assert list(batches) == whole[14:] and len(batches) == len(whole) - 14


def test_padding_waste_is_small():
    lengths = np.random.default_rng(1).lognormal(1.4, 0.6, 20000).clip(0.5, 30)
    assert Batches(lengths, batch_seconds=240).waste() < 0.06


def test_equally_long_utterances_meet_different_ones_each_epoch():
    batches = Batches([1.0] * 64, batch_size=8)
    assert {frozenset(b) for [b] in batches.plan(0)} != {frozenset(b) for [b] in batches.plan(1)}


def test_lone_long_utterances_keep_processes_in_step():
    shares = [list(Batches([10.0] * 5, batch_seconds=8, processes=2, rank=r)) for r in (0, 1)]
    assert len(shares[0]) == len(shares[1]) == 3


def test_too_few_utterances_and_no_bound_say_what_to_do():
    with pytest.raises(ValueError, match="lower train.accumulate"):
        Batches([1.0], batch_size=1, accumulate=2)
    with pytest.raises(ValueError, match="batch_seconds"):
        Batches([1.0])
