"""Stage 2: train. Run it again to go on; SIGTERM saves and stops; several GPUs or machines through accelerate launch.

python -m bins.train --config egs/tts/FastSpeech2/exp_config.json --name ex1
accelerate launch --multi_gpu -m bins.train --config ... --name ex1
tensorboard --logdir ckpts                                            (losses, sounds, mels)
"""

from __future__ import annotations

from bins.cli import parser, run


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__)
    arguments.add_argument("-n", "--name", required=True, help="what to call this run; its folder is <log_dir>/<name>")
    options = arguments.parse_args(argv)
    from models.base.experiment import Experiment
    from utils.registry import load_object

    experiment = Experiment.read(options.config, options.set)
    load_object(experiment.spec.trainer)(experiment, options.name).fit()
    return 0


if __name__ == "__main__":
    run(main)
