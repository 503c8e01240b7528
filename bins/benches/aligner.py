"""The aligner's hidden Markov model beside hmmlearn's and librosa's, and how near it comes to known times.

Ours stays: hmmlearn fits one model to its sequences, so phones cannot be shared by utterances of other texts, and its paths
may end anywhere; both libraries step from every state to every state, where a chain of phones has three ways.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bins.benches.measure import Row, one_core, row
from processors.aligner import Aligner
from processors.hmm import Chain, Mixtures, chain_of, powers_of
from processors.loops import best_path, log_sum, occupation

FRAMES, PHONES, PARTS, DIMS = 1000, 60, 8, 39  # five seconds of speech, and the mixtures of the last rounds
STAY = 0.8
SENTENCES = 15  # for each of the demo corpus's voices
PAUSES = frozenset({"sil"})


def benches() -> dict[str, Callable[[], list[Row]]]:
    return {"hmm": hmm, "aligner": aligner}


def hmm() -> list[Row]:
    """All paths and the best path through one utterance, densities included, by ours and by the libraries."""
    import librosa

    random = np.random.default_rng(0)
    names = {str(i): i for i in range(PHONES)}
    chain = chain_of(list(names), PAUSES, names)
    mixtures = _mixtures(random, len(chain.units) + 1)
    rows = random.standard_normal((FRAMES, DIMS)).astype(np.float32)
    steps = (chain.units, chain.jump, np.log(mixtures.stay[chain.units]), np.log(1 - mixtures.stay[chain.units]), 0, 0)
    theirs = _hmmlearn(mixtures, chain)
    dense = theirs.transmat_

    def scores() -> np.ndarray:
        return log_sum(mixtures.parts(powers_of(rows), np.arange(len(mixtures.stay))))

    def by_librosa() -> np.ndarray:
        densities = np.exp(scores()[:, chain.units] - scores().max())
        return librosa.sequence.viterbi(densities.T, dense, p_init=theirs.startprob_)

    soft = one_core(lambda: occupation(scores(), *steps))
    best = one_core(lambda: best_path(scores(), *steps))
    soft_theirs = one_core(lambda: theirs.score_samples(rows), 1)
    best_theirs = one_core(lambda: theirs.decode(rows), 1)
    best_librosa = one_core(by_librosa, 1)
    return [
        row("hmm: all paths (Baum-Welch), ours", 1000 * soft, "ms"),
        row("hmm: all paths, ours against hmmlearn", soft_theirs / soft, "times", target="2 or more"),
        row("hmm: best path (Viterbi), ours", 1000 * best, "ms"),
        row("hmm: best path, ours against hmmlearn", best_theirs / best, "times", target="2 or more"),
        row("hmm: best path, ours against librosa", best_librosa / best, "times", target="2 or more"),
    ]


def _mixtures(random: np.random.Generator, units: int) -> Mixtures:
    weights = random.dirichlet(np.ones(PARTS), units)
    means = random.standard_normal((units, PARTS, DIMS))
    return Mixtures(weights, means, np.ones_like(means), np.full(units, STAY))


def _hmmlearn(mixtures: Mixtures, chain: Chain):  # type: ignore[no-untyped-def]
    """The same states, transitions and densities as a model of hmmlearn's."""
    from hmmlearn.hmm import GMMHMM

    states = len(chain.units)
    model = GMMHMM(states, PARTS, covariance_type="diag", init_params="", params="")
    model.startprob_ = np.eye(states)[0]
    model.transmat_ = STAY * np.eye(states) + (1 - STAY) * np.eye(states, k=1)
    model.transmat_[-1, -1] = 1.0
    model.weights_ = mixtures.weights[chain.units]
    model.means_ = mixtures.means[chain.units]
    model.covars_ = mixtures.variances[chain.units]
    model.n_features = DIMS
    return model


def aligner() -> list[Row]:
    """Learns from a small demo corpus, whose times are known, and aligns it."""
    from preprocessors import demo
    from processors.aligner import RATE

    with tempfile.TemporaryDirectory() as folder:
        corpus = demo.make(Path(folder), sentences=SENTENCES)
        utterances = list(demo.utterances(corpus))
        sounds = [utterance.read(RATE) for utterance in utterances]
        times = [_times(utterance.textgrid) for utterance in utterances]
    tokens = [[label for label, _ in known] for known in times]
    models: list[Aligner] = []
    seconds = one_core(lambda: models.append(Aligner.train(lambda i: sounds[i], tokens, PAUSES, jobs=1)), 1)
    errors = []
    for sound, known, sequence in zip(sounds, times, tokens, strict=True):
        starts = models[-1].align(sound, sequence, PAUSES).starts
        errors += [abs(ours - start) for ours, (label, start) in zip(starts, known, strict=True) if label not in PAUSES]
    spoken = sum(sound.seconds for sound in sounds)
    return [
        row("aligner: learning", spoken / seconds, "x real time"),
        row("aligner: median error of a phone's start", 1000 * float(np.median(errors)), "ms"),
        row("aligner: starts within 20 ms", 100 * float(np.mean(np.array(errors) < 0.02)), "%"),
    ]


def _times(grid: str) -> list[tuple[str, float]]:
    """Each token of a TextGrid and its start in seconds."""
    from utils.textgrid import read_textgrid

    return [(label or "sil", start) for label, start, _ in read_textgrid(grid)]
