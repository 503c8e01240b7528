"""Stage 1b: symbol tables, alignments and features for every utterance, on all cores. Stop it and run it again: it goes on.

python -m bins.extract --config egs/tts/FastSpeech2/exp_config.json
python -m bins.extract --config ... --cluster tcp://scheduler:8786     (a Dask cluster that sees the same files)
"""

from __future__ import annotations

from bins.cli import parser, run


def main(argv: list[str] | None = None) -> int:
    options = parser(__doc__, many=True).parse_args(argv)
    from models.base.experiment import Experiment

    extract(Experiment.read(options.config, options.set), jobs=options.jobs, cluster=options.cluster)
    return 0


def extract(experiment, *, jobs: int = 0, cluster: str = "") -> dict[str, str]:
    """Everything that training reads; returns "dataset/id" -> why, for the utterances that cannot be used."""
    from functools import partial

    from utils.log import log
    from utils.parallel import parallel

    features, datasets = experiment.features, experiment.datasets
    utterances = experiment.everything()
    corpus = experiment.corpus = features.fit(utterances, datasets, jobs=jobs, cluster=cluster)
    results = parallel(partial(_one, features), utterances, what="extract", jobs=jobs, cluster=cluster, lost=_refused)
    refused = dict(sorted((name, reason) for name, reason in results if reason))
    listed = corpus.write(features.extracted, "refused", refused)
    for name, reason in list(refused.items())[:5]:
        log.warning(f"  left out {name}: {reason}")
    if refused:
        log.warning(f"{len(refused)} of {len(utterances)} utterances are left out, listed in {listed}.")
    usable = experiment.utterances("train")
    if not usable:
        raise ValueError(f"no utterance of {', '.join(datasets)} can be used: the reasons are in {listed}.")
    features.measure(list(experiment.model_class.statistics_of), datasets, usable)
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
