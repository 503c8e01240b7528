"""A network in an ONNX file, run by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict

from utils.files import read_json
from utils.log import log

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SAMPLE_RATE = 16000  # where config.json says no other


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
class NetworkFile(TypedDict):
    """The config.json beside a model.onnx."""

    sample_rate: NotRequired[Annotated[int, Field(ge=8000, le=768_000)]]
    input: NotRequired[Literal["waveform", "fbank"]]
    crop_seconds: NotRequired[Annotated[float, Field(ge=0, le=3600)]]
    crops: NotRequired[Annotated[int, Field(gt=0, le=1000)]]
    embedding: NotRequired[str]
    logits: NotRequired[str]


class Onnx:
    """A network in ONNX: a file, or a folder with model.onnx and config.json (its `settings`; see egs/metrics/README.md).

    Raises ValueError when there is no such file, it is damaged, or its settings are none.
    """

    def __init__(self, place: str, *, device: str = "cpu") -> None:
        path = Path(place)
        folder = path.is_dir()
        file = path / "model.onnx" if folder else path
        if file.suffix != ".onnx" or not file.is_file():
            raise ValueError(f"no network at {file}: an .onnx file is needed, or a folder with model.onnx and config.json.")
        config = file.with_name("config.json")
        self.settings: dict[str, Any] = read_json(config, NetworkFile) if folder and config.is_file() else {}
        self.session = open_session(file, device=device)
        first, *others = self.session.get_inputs()
        self.input = first.name
        self.lengths = others[0] if others else None
        self.dtype = np.float16 if first.type == "tensor(float16)" else np.float32
        self.outputs = [output.name for output in self.session.get_outputs()]

    @property
    def sample_rate(self) -> int:
        return self.settings.get("sample_rate", SAMPLE_RATE)

    def __call__(self, x: np.ndarray, name: str = "") -> np.ndarray:
        """The output `name` (its name in the file; the first when empty) for `x`, float32, whatever the network computes in.

        A second input is told how long each row of `x` (rows, length, ...) is.
        """
        wanted = self.outputs[0]
        if name:
            wanted = self.settings.get(name, name)
        if wanted not in self.outputs:
            choices = ", ".join(self.outputs)
            raise ValueError(f"the network has no output {wanted!r}, but {choices}: name it in config.json.")
        inputs = {self.input: x.astype(self.dtype)}
        if self.lengths:
            kind = np.int32 if self.lengths.type == "tensor(int32)" else np.int64
            inputs[self.lengths.name] = np.full(len(x), x.shape[1], dtype=kind)
        outputs = self.session.run([wanted], inputs)
        return outputs[0].astype(np.float32)


def open_session(path: Path, *, device: str = "cpu", threads: int = 1) -> InferenceSession:
    """What runs an ONNX file on `device`: "cpu", "cuda" or "cuda:1". `threads` 0 are as many as there are cores.

    One thread by default: worker processes are forked, and a pool of threads does not survive that.
    Raises ValueError for a damaged file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = threads
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # noqa: BLE001 (onnxruntime's errors have no class of their own that says so)
        raise ValueError(f"{path} is damaged, or no network that onnxruntime can run ({error}); copy or download it again.") from error


def _providers(device: str, available: list[str]) -> list[Any]:
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in available:
        log.warning(f"onnxruntime cannot use {device} here (pip install onnxruntime-gpu does that): its networks run on the CPU.")
        return ["CPUExecutionProvider"]
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]
