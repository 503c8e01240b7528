"""Stage 2: train. Run it again to go on; SIGTERM saves and stops; several GPUs or machines through accelerate launch.

python -m bins.train --config egs/tts/FastSpeech2/exp_config.json --name ex1
accelerate launch --multi_gpu -m bins.train --config ... --name ex1
tensorboard --logdir ckpts                                            (losses, sounds, mels)
"""

from __future__ import annotations

from bins.cli import early, known_model, parser, run, wants_help


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__)
    arguments.add_argument("-n", "--name", required=True, help="what to call this run; its folder is <log_dir>/<name>")
    arguments.add_argument("--model", help="with --help: list the settings of this model; those of a config are listed with --config")
    if wants_help(argv):
        arguments.epilog = _settings(argv)
    options = arguments.parse_args(argv)
    from models.base.experiment import Experiment
    from utils.registry import load_object

    experiment = Experiment.read(options.config, options.set)
    load_object(experiment.spec.trainer)(experiment, options.name).fit()
    return 0


def _settings(argv: list[str] | None) -> str:
    """What may be set, where the command names a config or a model."""
    from utils.config import load_config

    options = early(argv, ("-c", "--config"), ("--model",))
    if not (options.config or options.model):
        return "With --config or --model this lists all settings of a config, their meaning and default."
    from bins.meanings import of_training

    config = load_config(options.config) if options.config else {}
    return of_training(known_model(options.model or config.get("model_type", "")), config)


if __name__ == "__main__":
    run(main)
