"""Where the networks of the metrics lie, and how an ONNX file is run: one thread, loaded once in each process."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.shapes import NetworkFile
from utils.files import read_json

FOLDER = "AMPHION_MODELS"  # environment variable: a folder with one file or folder for each model
SAMPLE_RATE = 16000
FIELDS = ("whisper", "wavlm", "wespeaker", "rawnet", "vggish", "clap", "classifier", "dnsmos")  # of metric.Options


def locate(field: str, given: str, hub: str = "") -> str:
    """The path or the hub id of a model: what the user gave, AMPHION_MODELS/`field`, or `hub` where it was fetched before; else ""."""
    if given:
        return given
    folder = os.environ.get(FOLDER)
    if folder:
        for path in (Path(folder) / field, *sorted(Path(folder).glob(f"{field}.*"))):
            if path.exists():
                return str(path)
    return hub if hub and _fetched(hub) else ""


def absent(field: str, given: str, hub: str = "", kind: str = "FOLDER") -> str:
    """Why a metric cannot run, with the next step; "" when its model is here or was named."""
    found = locate(field, given, hub)
    if found and (Path(found).exists() or _is_hub_id(found)):
        return ""
    if found:
        return f"finds no model at {found}: check --{field}."
    fetch = f", or --{field} {hub} to have it fetched" if hub else ""
    return f"has no model here: give --{field} {kind}{fetch}, or set {FOLDER} to a folder that holds {field}."


def _is_hub_id(name: str) -> bool:
    # "owner/name", and not a path that is merely mistyped
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).parent.exists()


def _fetched(hub: str) -> bool:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    return isinstance(try_to_load_from_cache(hub, "config.json"), str)


class Onnx:
    """A network in ONNX: a file, or a folder with model.onnx and config.json (its settings; see egs/metrics/README.md)."""

    def __init__(self, path: str, **defaults: Any) -> None:
        import onnxruntime

        place = Path(path)
        file = place / "model.onnx" if place.is_dir() else place
        if file.suffix != ".onnx" or not file.is_file():
            raise ValueError(f"no network at {file}: an .onnx file is needed, or a folder with model.onnx and config.json.")
        config = file.with_name("config.json")
        self.config = defaults | (read_json(config, NetworkFile) if place.is_dir() and config.is_file() else {})
        options = onnxruntime.SessionOptions()
        # Worker processes are forked, and a pool of threads does not survive that.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        first = self.session.get_inputs()[0]
        self.input, self.dtype = first.name, np.float16 if first.type == "tensor(float16)" else np.float32
        self.outputs = [output.name for output in self.session.get_outputs()]

    @property
    def sample_rate(self) -> int:
        return self.config.get("sample_rate", SAMPLE_RATE)

    def __call__(self, x: np.ndarray, name: str = "") -> np.ndarray:
        """The output `name` (its name in the file; the first when empty) for `x`, float32, whatever the network computes in."""
        wanted = self.config.get(name, name) if name else self.outputs[0]
        if wanted not in self.outputs:
            raise ValueError(f"the network has no output {wanted!r}, but {', '.join(self.outputs)}: name it in config.json.")
        return self.session.run([wanted], {self.input: x.astype(self.dtype)})[0].astype(np.float32)


@functools.cache
def onnx(path: str, defaults: tuple[tuple[str, Any], ...] = ()) -> Onnx:
    """The network at `path`, loaded once in this process."""
    return Onnx(path, **dict(defaults))


def pieces(samples: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Windows of `size` samples every `hop`, (windows, size); what is shorter is repeated up to one window."""
    if len(samples) < size:
        samples = np.tile(samples, -(-size // max(len(samples), 1)))[:size]
    return np.stack([samples[i : i + size] for i in range(0, len(samples) - size + 1, hop)])
