"""Stage 1b: symbol tables, alignments and features for every utterance, on all cores. Stop it and run it again: it goes on.

python -m bins.extract --config egs/tts/FastSpeech2/exp_config.json
python -m bins.extract --config ... --cluster tcp://scheduler:8786     (a Dask cluster that sees the same files)
python -m bins.extract --config ... --device cuda:0,cuda:1 --batch_seconds 300

Features that are networks come first, in batches, on every GPU of this machine; on its CPU where there is none. All others then run on
all cores, or on the cluster.
"""

from __future__ import annotations

from bins.cli import parser, run
from processors.extraction import BATCH_SECONDS, Options, devices_of, extract_batched


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, many=True)
    arguments.add_argument("--device", default="", help="where networks run: cpu, cuda, or a list such as cuda:0,cuda:1 (default: every GPU)")
    arguments.add_argument("--batch_seconds", type=float, default=BATCH_SECONDS, help="sound in a batch of a network (default %(default)g)")
    options = arguments.parse_args(argv)
    from models.base.experiment import Experiment

    experiment = Experiment.read(options.config, options.set)
    batches = {"device": options.device, "batch_seconds": options.batch_seconds}
    extract(experiment, jobs=options.jobs, cluster=options.cluster, **batches)
    return 0


def extract(
    experiment, *, jobs: int = 0, cluster: str = "", device: str = "", batch_seconds: float = BATCH_SECONDS
) -> dict[str, str]:
    """Everything that training reads; returns "dataset/id" -> why, for the utterances that cannot be used."""
    from functools import partial

    from models.base.splits import speaker_names
    from utils.log import log
    from utils.parallel import parallel

    options = Options(devices_of(device), batch_seconds, jobs, cluster)
    features = experiment.features
    datasets = experiment.datasets
    utterances = experiment.everything()
    corpus = experiment.corpus = features.fit(utterances, datasets, jobs=jobs, cluster=cluster)
    left_out = extract_batched(features, utterances, options)
    left = utterances.without(left_out) if left_out else utterances
    # Everything else, and whether all arrays of an utterance fit together.
    results = parallel(partial(_one, features), left, what="extract", jobs=jobs, cluster=cluster, lost=_refused)
    left_out.update((name, reason) for name, reason in results if reason)
    refused = dict(sorted(left_out.items()))
    listed = corpus.write(features.extracted, "refused", refused)
    for name, reason in list(refused.items())[:5]:
        log.warning(f"  left out {name}: {reason}")
    if refused:
        log.warning(f"{len(refused)} of {len(utterances)} utterances are left out, listed in {listed}.")
    usable = experiment.utterances("train")
    if not usable:
        raise ValueError(f"no utterance of {', '.join(datasets)} can be used: the reasons are in {listed}.")
    features.measure(list(experiment.model_class.statistics_of), datasets, usable)
    if experiment.model_class.registers:
        numbers, names = speaker_names(usable)
        features.measure_registers(datasets, usable, numbers, names)
    corpus.remember(features.extracted)
    if removed := features.tidy(utterances):
        log.info(f"{removed} files of earlier states of {', '.join(datasets)} are removed.")
    return refused


def _one(features, utterance) -> tuple[str, str]:
    from processors.store import identity

    return identity(utterance), features.extract(utterance)


def _refused(utterance, reason: str) -> tuple[str, str]:
    from processors.store import identity

    return identity(utterance), reason


if __name__ == "__main__":
    run(main)
