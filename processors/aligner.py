"""Which phone sounds when: a small hidden Markov model, learnt from the very corpus that it aligns.

Each phone is a left-to-right chain of states with Gaussian mixtures over cepstra, as in the monophone stage of HTK
(Young et al., The HTK Book) and Kaldi, from a flat start: the first rounds weigh all paths (Baum-Welch), later ones the
best path only (Viterbi), while the mixtures grow. Nothing is downloaded, and tokens may be any strings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processors.hmm import PHONE_STATES, AlignmentError, Chain, Mixtures, chain_of, powers_of
from processors.loops import best_path, log_sum, occupation
from utils.audio import Audio
from utils.digest import digest
from utils.files import write_whole
from utils.log import log
from utils.parallel import cpu_count

RATE = 16000
HOP = 80  # samples: 5 ms, so that three states can pass within 15 ms
WINDOW = 320  # samples: 20 ms
N_FFT = 512
N_MEL = 40
N_CEPSTRA = 13
SECONDS = HOP / RATE  # of a frame
PRIOR_FRAMES = 10  # a phone seen in as many frames is half itself, half the average of all speech
VARIANCE_FLOOR = 0.02  # of cepstra of variance 1
PLAN = (("soft", 6), ("double", 0), ("soft", 4), ("double", 0), ("best", 3), ("double", 0), ("best", 3))
TRAIN_SECONDS = 3600.0  # of speech to learn from, that memory stays bounded: their cepstra take 112 MB
EDITION = 1  # raised when the same lessons give another aligner than before
RARE = 20  # a phone seen less often has all its utterances among those to learn from


def log_mel(audio: Audio) -> np.ndarray:
    """Log energies of 40 mel bands, (frames, bands) every 5 ms; frame t is centred at t x 5 ms."""
    import librosa

    samples = audio.resample(RATE).samples
    emphasised = samples[1:] - 0.97 * samples[:-1]
    samples = np.append(samples[:1], emphasised)
    spectrum = librosa.stft(samples, n_fft=N_FFT, hop_length=HOP, win_length=WINDOW, center=True, pad_mode="constant")
    bank = librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=N_MEL, fmin=60.0)
    energies = bank @ np.abs(spectrum) ** 2
    floored = np.maximum(energies, 1e-8)
    return np.log(floored).T.astype(np.float32)


def cepstra(mel: np.ndarray) -> np.ndarray:
    """13 cepstra with their slopes and the slopes of those, each of mean 0 and deviation 1, (frames, 39)."""
    from scipy.fft import dct

    static = dct(mel, axis=1, norm="ortho")[:, :N_CEPSTRA]
    slope = _slope(static)
    rows = np.concatenate([static, slope, _slope(slope)], axis=1)
    normal = (rows - rows.mean(0)) / (rows.std(0) + 1e-5)
    return normal.astype(np.float32)


def observe(audio: Audio) -> np.ndarray:
    """What the aligner hears of a sound, (frames, 39)."""
    return cepstra(log_mel(audio))


def learning_order(tokens: list[list[str]], keys: list[str]) -> list[int]:
    """All utterances: those with rare tokens first, then the rest, shuffled by their `keys`, so that others may come and go."""
    counts = Counter(token for sequence in tokens for token in sequence)
    order = sorted(range(len(tokens)), key=lambda i: digest(keys[i]))
    return sorted(order, key=lambda i: min((counts[token] for token in tokens[i]), default=RARE) >= RARE)


def lessons(tokens: list[list[str]], keys: list[str], seconds: list[float], pauses: frozenset[str]) -> list[int]:
    """Which utterances to learn from: an hour at most, rare phones among them, the same ones from run to run."""
    spoken = [i for i in learning_order(tokens, keys) if not pauses.issuperset(tokens[i])]
    before = np.cumsum([0.0, *(seconds[i] for i in spoken)])
    return [i for i, passed in zip(spoken, before, strict=False) if passed < TRAIN_SECONDS]


def _slope(rows: np.ndarray, reach: int = 3) -> np.ndarray:
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    n = len(rows)
    slopes = sum(k * (padded[reach + k : reach + k + n] - padded[reach - k : reach - k + n]) for k in range(1, reach + 1))
    return slopes / (2 * sum(k * k for k in range(1, reach + 1)))


@dataclass
class Alignment:
    """Times of the tokens of one utterance, in seconds; tokens without time have equal start and end.

    `score`: how much less likely the sound is as these tokens, in this order, than as the best phone of every frame
    (nats per frame of speech, 0 or below).
    """

    tokens: list[str]
    starts: list[float]
    ends: list[float]
    score: float


@dataclass
class Statistics:
    """What one pass over the corpus counts: sums (units, n, 1 + 2 dims) of 1, x, x^2; visits of states; likelihood; frames."""

    sums: np.ndarray
    visits: np.ndarray
    likelihood: float = 0.0
    frames: int = 0


class Aligner:
    """Learns what the phones of a corpus sound like, and says when each of them sounds.

    `names` are the spoken tokens; what `pauses` are, tokens that may last no time, is said in each call.
    `prior`: mean and variance of all speech, (2, dims).
    """

    def __init__(self, names: list[str], mixtures: Mixtures, prior: np.ndarray) -> None:
        self.names = {name: i for i, name in enumerate(names)}
        self.mixtures, self.prior = mixtures, prior

    @classmethod
    def train(
        cls, read: Callable[[int], Audio], tokens: list[list[str]], pauses: frozenset[str], *, names: Iterable[str] = (), jobs: int = 0
    ) -> Aligner:
        """Learns from the utterances of `tokens`; `read(i)` gives the sound of the i-th. See `lessons` for which to take.

        `names` are tokens that it is to know besides. Raises ValueError when no utterance is long enough for its tokens.
        """
        observed = []
        spoken = []
        for i, sequence in enumerate(tokens):
            if not pauses.issuperset(sequence):
                observed.append(observe(read(i)))
                spoken.append(sequence)
        known = set(names).union(*tokens) - pauses
        return cls.learn(observed, spoken, pauses, sorted(known), jobs=jobs)

    @classmethod
    def learn(
        cls, observed: list[np.ndarray], tokens: list[list[str]], pauses: frozenset[str], names: list[str], *, jobs: int = 0
    ) -> Aligner:
        """Learns from `observed` (frames, dims) and the tokens of each; those too short for their tokens are passed over."""
        from threadpoolctl import threadpool_limits

        aligner = cls.flat(names, observed)
        pairs = [(rows, chain_of(t, pauses, aligner.names)) for rows, t in zip(observed, tokens, strict=True)]
        pairs = [(rows, chain) for rows, chain in pairs if len(rows) >= chain.shortest]
        if not pairs:
            raise ValueError("no utterance is long enough for its tokens: do the texts belong to these recordings?")
        # Our threads share the cores: those of the matrix product would only get in their way.
        with ThreadPoolExecutor(jobs or cpu_count()) as threads, threadpool_limits(1):
            for kind, rounds in PLAN:
                if kind == "double":
                    aligner.mixtures = aligner.mixtures.doubled()
                for _ in range(rounds):
                    aligner._round(pairs, threads, soft=kind == "soft")
        return aligner

    @classmethod
    def flat(cls, names: list[str], observed: list[np.ndarray]) -> Aligner:
        """The start: silence is the quietest tenth of all frames, each phone is all the rest."""
        if not observed:
            raise ValueError("nothing to learn from: no utterance says anything.")
        rows = np.concatenate(observed)
        loudness = rows[:, 0]
        quiet = loudness <= np.quantile(loudness, 0.1)
        prior = _moments(rows[~quiet]).astype(np.float64)
        units = 1 + PHONE_STATES * len(names)
        mean, variance = prior
        means = np.repeat(mean[None, None], units, axis=0)
        variances = np.repeat(variance[None, None], units, axis=0)
        means[0, 0], variances[0, 0] = _moments(rows[quiet])
        weights = np.ones((units, 1))
        stay = np.full(units, 0.8)
        mixtures = Mixtures(weights, means, variances, stay)
        return cls(names, mixtures, prior)

    def _round(self, pairs: list[tuple[np.ndarray, Chain]], threads: ThreadPoolExecutor, *, soft: bool) -> None:
        mixtures = self.mixtures
        sums = np.zeros(mixtures.table.shape)
        visits = np.zeros(len(mixtures.stay))
        total = Statistics(sums, visits)
        counts = threads.map(lambda pair: self._count(*pair, soft), pairs)
        for units, more_sums, more_visits, likelihood, frames in counts:
            total.sums[units] += more_sums
            total.visits[units] += more_visits
            total.likelihood += likelihood
            total.frames += frames
        self.mixtures = self._estimate(total)
        log.debug(f"aligner: {total.likelihood / total.frames:.3f} nats per frame")

    def _count(self, rows: np.ndarray, chain: Chain, soft: bool) -> tuple:
        units, index = np.unique(chain.units, return_inverse=True)
        powers = powers_of(rows)
        parts = self.mixtures.parts(powers, units)
        scores = log_sum(parts)
        steps = self._steps(chain, index)
        if soft:
            shares, likelihood = occupation(scores, *steps)
        else:
            path, likelihood = best_path(scores, *steps)
            shares = np.zeros_like(scores)
            shares[np.arange(len(rows)), index[path]] = 1
        within = np.exp(parts - scores[..., None])
        shares = within * shares[..., None]
        flat = shares.reshape(len(rows), -1)
        sums = (flat.T @ powers).reshape(*parts.shape[1:], -1)
        visits = np.bincount(index, minlength=len(units))
        return units, sums, visits, likelihood, len(rows)

    def _steps(self, chain: Chain, index: np.ndarray) -> tuple:
        stay = self.mixtures.stay[chain.units]
        return index, chain.jump, np.log(stay), np.log(1 - stay), chain.first, chain.last

    def _estimate(self, total: Statistics) -> Mixtures:
        """New mixtures from the counts; what was seen little stays near the average of all speech."""
        mean, variance = self.prior
        dims = len(mean)
        counts = total.sums[..., :1]
        sums = total.sums[..., 1 : 1 + dims]
        square_sums = total.sums[..., 1 + dims :]
        square = variance + mean**2
        means = (sums + PRIOR_FRAMES * mean) / (counts + PRIOR_FRAMES)
        squares = (square_sums + PRIOR_FRAMES * square) / (counts + PRIOR_FRAMES)
        variances = np.maximum(squares - means**2, VARIANCE_FLOOR)
        shares = counts[..., 0] + 1e-3
        weights = shares / shares.sum(-1, keepdims=True)
        occupied = counts.sum((1, 2))
        left = total.visits / np.maximum(occupied, 1)
        stay = np.clip(1 - left, 0.3, 0.98)
        stay = np.where(occupied < 2 * PRIOR_FRAMES, 0.7, stay)
        stay[0] = 0.95  # optional pauses are visited less than the chains say
        return Mixtures(weights, means, variances, stay)

    def align(self, audio: Audio, tokens: list[str], pauses: frozenset[str]) -> Alignment:
        """The most likely times of `tokens` in `audio`. Raises AlignmentError when it is too short for them."""
        rows = observe(audio)
        seconds = audio.seconds
        chain = chain_of(tokens, pauses, self.names)
        if len(rows) < chain.shortest:
            least = chain.shortest * SECONDS
            raise AlignmentError(f"{seconds:.2f} s are too short for {len(tokens)} tokens ({least:.2f} s at least)")
        every = np.arange(len(self.mixtures.stay))
        powers = powers_of(rows)
        parts = self.mixtures.parts(powers, every)
        scores = log_sum(parts)
        steps = self._steps(chain, chain.units)
        path, _ = best_path(scores, *steps)
        chosen = chain.units[path]
        speech = chosen > 0
        chosen_scores = scores[np.arange(len(rows)), chosen]
        loss = chosen_scores - scores.max(1)
        score = float(loss[speech].mean().round(4))
        # Frame t is centred at t x 5 ms, so a token begins half a frame before its first one.
        owners = chain.owner[path]
        firsts = np.searchsorted(owners, np.arange(len(tokens)))
        starts = np.clip((firsts - 0.5) * SECONDS, 0.0, seconds)
        starts[firsts == len(rows)] = seconds
        ends = np.append(starts[1:], seconds)
        return Alignment(list(tokens), _rounded(starts), _rounded(ends), score)

    def save(self, path: Path) -> Path:
        """Writes safetensors; tokens stand in its metadata as JSON."""
        from safetensors.numpy import save_file

        parts = ("weights", "means", "variances", "stay")
        arrays = {name: np.ascontiguousarray(getattr(self.mixtures, name)) for name in parts} | {"prior": self.prior}
        return write_whole(path, lambda p: save_file(arrays, p, {"names": json.dumps(list(self.names))}))

    @classmethod
    def load(cls, path: Path) -> Aligner:
        """The aligner that `save` wrote. Raises ValueError when the file is damaged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "np") as file:
                about, arrays = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (the file is no dict)
            prior, names = arrays.pop("prior"), json.loads(about["names"])
            return cls(names, Mixtures(**arrays), prior)
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise ValueError(f"{path} is damaged ({error}): run the extract stage again, and the aligner is trained anew.") from error


def _moments(rows: np.ndarray) -> np.ndarray:
    """Mean and variance of rows (frames, dims), (2, dims)."""
    return np.stack([rows.mean(0), rows.var(0) + VARIANCE_FLOOR])


def _rounded(times: np.ndarray) -> list[float]:
    return [round(float(t), 5) for t in times]
