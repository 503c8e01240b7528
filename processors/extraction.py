"""The extract stage of features that are networks: batches by length, one process a device, sound read ahead.

Each device has a process of its own, spawned and not forked: CUDA does not outlive a fork, and the program itself touches no GPU, so
that it may go on to fork the processes of all other features. What is kept is not computed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from preprocessors.base import Utterance
from processors.batched import BatchedFeature
from processors.device_process import Refused, Work, halves, serve
from processors.features import FeatureSet, ordered
from processors.store import identity
from utils.log import main_process
from utils.parallel import cpu_count, parallel
from utils.pool import Post, share_among
from utils.progress import progress

BATCH_SECONDS = 120.0  # of sound in a batch, with the silence that fills it up
AHEAD = 3  # batches that a device's process has at once: one at work, the sound of the others being read
DEVICE = re.compile(r"cpu|cuda(:\d+)?")


@dataclass(frozen=True)
class Options:
    """How batches are computed: on which devices, how many seconds in one, and on how many cores (0: all) beside."""

    devices: tuple[str, ...] = ("cpu",)
    batch_seconds: float = BATCH_SECONDS
    jobs: int = 0
    cluster: str = ""

    def __post_init__(self) -> None:
        if not self.batch_seconds > 0:
            raise ValueError(f"--batch_seconds is above 0, got {self.batch_seconds:g}: how many seconds of sound a batch has at most.")


def devices_of(names: str = "") -> tuple[str, ...]:
    """The devices of "cpu", "cuda" (every GPU) or a list such as "cuda:0,cuda:2"; for "" every GPU, and the CPU where there is none.

    Raises ValueError for a device that is not here. No GPU is touched by it.
    """
    import torch

    here = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    if not names:
        return here or ("cpu",)
    devices: list[str] = []
    for device in names.split(","):
        name = device.strip()
        absent = name.startswith("cuda") and name not in ("cuda", *here)
        if not DEVICE.fullmatch(name) or absent or (name == "cuda" and not here):
            raise ValueError(f"--device {names}: {name!r} is not here; there are {', '.join(('cpu', *here))}.")
        devices += here if name == "cuda" else [name]
    return tuple(devices)


def extract_batched(features: FeatureSet, utterances: Iterable[Utterance], options: Options) -> Refused:
    """Computes and keeps the features that are `batched`, and before each the dear ones that it is worked out from.

    Returns the utterances that cannot be used.
    """
    refused: Refused = {}
    done: set[str] = set()
    for name, feature in features.features.items():
        if not feature.batched:
            continue
        before = [need for need in ordered(feature.needs) if need not in done and features.features[need].kept]
        if before:
            refused |= _on_all_cores(features, before, _without(utterances, refused), options)
        refused |= _on_devices(features, name, _without(utterances, refused), options)
        done.update([*before, name])
    return refused


def _without(utterances: Iterable[Utterance], refused: Refused) -> list[Utterance]:
    return [utterance for utterance in utterances if identity(utterance) not in refused]


def _on_all_cores(features: FeatureSet, names: list[str], utterances: list[Utterance], options: Options) -> Refused:
    work = partial(_extracted, features, names)
    what = f"extract {', '.join(names)}"
    results = parallel(work, utterances, what=what, jobs=options.jobs, cluster=options.cluster, lost=_lost)
    return {name: reason for name, reason in results if reason}


def _extracted(features: FeatureSet, names: list[str], utterance: Utterance) -> tuple[str, str]:
    return identity(utterance), features.extract(utterance, names)


def _lost(utterance: Utterance, reason: str) -> tuple[str, str]:
    return identity(utterance), reason


# The program: plans, hands out, and gathers what failed


def batches(utterances: Iterable[Utterance], feature: BatchedFeature, rate: int, seconds: float) -> list[list[Utterance]]:
    """Utterances in batches of at most so many seconds, the shorter ones filled up to the longest; the longest come first.

    Where padding changes the feature they are of one length, as far as manifests say; one of unknown length is alone.
    `rate`: samples a second of the sound that the feature is given.
    """
    planned: list[list[Utterance]] = []
    open_length = 0  # samples of the longest in the batch that is being filled
    for length, utterance in _by_length(utterances, feature, rate):
        fits = open_length > 0 and (len(planned[-1]) + 1) * open_length <= seconds * rate
        alike = length == open_length or not feature.padding_changes
        if not fits or not alike or length <= 0:
            planned.append([])
            open_length = length
        planned[-1].append(utterance)
    return planned


def _by_length(utterances: Iterable[Utterance], feature: BatchedFeature, rate: int) -> list[tuple[int, Utterance]]:
    measured = []
    for utterance in utterances:
        samples = round(utterance.seconds * rate)
        measured.append((feature.input_length(samples), utterance))
    return sorted(measured, key=lambda pair: pair[0], reverse=True)


def _on_devices(features: FeatureSet, name: str, utterances: list[Utterance], options: Options) -> Refused:
    """Computes one feature of the utterances for which it is not kept."""
    feature = features.features[name]
    missing = [utterance for utterance in _once(features, name, utterances) if not _is_kept(features, name, utterance)]
    rate = feature.input_rate or features.sample_rate
    planned = batches(missing, feature, rate, options.batch_seconds)
    what = f"extract {name} on {', '.join(options.devices)}"
    refused: Refused = {}
    with progress(total=len(missing), desc=what, disable=not main_process() or not missing) as bar:
        for count, failed in _computed(features, name, planned, options, what):
            refused |= failed
            bar.update(count)
    return refused


def _once(features: FeatureSet, name: str, utterances: list[Utterance]) -> Iterator[Utterance]:
    """The utterances, but of the captions of one sound only the first that has an array of its own."""
    taken = set()
    for utterance in utterances:
        path = features.path(name, utterance)
        if not utterance.recording or path not in taken:
            yield utterance
        taken.add(path)


def _is_kept(features: FeatureSet, name: str, utterance: Utterance) -> bool:
    return features.arrays.mapped(features.path(name, utterance)) is not None


def _computed(
    features: FeatureSet, name: str, planned: list[list[Utterance]], options: Options, what: str
) -> Iterator[tuple[int, Refused]]:
    """How many utterances each answer is about, and those among them that cannot be used."""
    threads = max(1, (options.jobs or cpu_count()) // len(options.devices))
    works = [Work(features, name, device, threads) for device in options.devices]
    posts = [Post(work, "spawn", serve) for work in works]
    while planned:
        ended: list[Ended] = []
        for answer in share_among(posts, planned, 1, what, Ended, ahead=AHEAD):
            if isinstance(answer, Ended):
                ended.append(answer)
            else:
                yield answer
        planned = []
        for failure in ended:
            if len(failure.batch) > 1:
                planned += halves(failure.batch)
            else:
                yield 1, {identity(failure.batch[0]): f"{name}: {failure.reason}"}


@dataclass(frozen=True)
class Ended:
    """A batch of which the process was killed, or found no memory to read it, also when it was tried again alone."""

    batch: list[Utterance]
    reason: str
