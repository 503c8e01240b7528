"""Stage 1a: read the corpora of a config into manifests (train, valid, test), and list what cannot be used.
Long recordings are cut where `preprocess.slice` says so; what has no words gets those that a Whisper hears, `preprocess.transcribe`;
`preprocess.augment` adds changed copies of what trains.

python -m bins.preprocess --config egs/tts/FastSpeech2/exp_config.json
"""

from __future__ import annotations

from bins.cli import parser, run


def main(argv: list[str] | None = None) -> int:
    options = parser(__doc__, many=True).parse_args(argv)
    from models.base.experiment import Experiment
    from preprocessors.augmentation import augment
    from preprocessors.base import prepare

    experiment = Experiment.read(options.config, options.set)
    p = experiment.preprocess
    how = {"needs_text": experiment.reads_text, "slicing": p.slice, "transcribe": p.transcribe}
    for name in experiment.datasets:
        root = experiment.sections.dataset_path[name]
        settings = p.corpora.get(name)
        prepare(name, root, experiment.processed_dir, **how, settings=settings, jobs=options.jobs, cluster=options.cluster)
        if experiment.preprocess.augment:
            augment(name, experiment.processed_dir, experiment.preprocess.augment, jobs=options.jobs, cluster=options.cluster)
    return 0


if __name__ == "__main__":
    run(main)
