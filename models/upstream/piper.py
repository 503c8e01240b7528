"""Piper's voices: <voice>.onnx with its <voice>.onnx.json, or a .ckpt of its training beside config.json."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, numbered, strip
from utils.files import read_json, read_weights
from utils.registry import nearest

BESIDE = "*.json"
N_FFT = 1024
# Of the decoder only the kernels stand in the weights; these are all that were published, by the kind of block.
DECODERS = {
    "1": {"resblock_kernel_sizes": (3, 7, 11), "resblock_dilation_sizes": ((1, 3, 5),) * 3},
    "2": {"resblock_kernel_sizes": (3, 5, 7), "resblock_dilation_sizes": ((1, 2), (2, 6), (3, 12))},
}
READ_AS = {"espeak": "espeak", "text": "characters"}  # phoneme_type -> g2p


def knows(config: Path) -> bool:
    """Whether this configuration, or one that lies beside it, is of this program."""
    return any(map(_is_ours, [config, *sorted(config.parent.glob("*.json"))]))


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "VITS"


def read(path: Path, config: Path, model_type: str | None) -> tuple[Card, State]:
    """A voice. Raises ValueError for a folder of several, for phonemes of a kind that is not here, and for weights of no Piper."""
    from models.upstream.vits_maps import from_upstream
    from modules.norm import modern_keys

    weights = _weights(path)
    settings = _settings(weights)
    state = modern_keys(_tensors(weights))
    hears = "enc_q.proj.bias" in state
    arguments, facts, state = from_upstream(_sizes(state, weights), state, n_fft=N_FFT, win_size=N_FFT)
    arguments["posterior_absent"] = not hears
    rate = settings["audio"]["sample_rate"]
    hop = math.prod(arguments["decoder"]["upsample_rates"])
    phone = {"g2p": _reader(settings, weights), "symbols": "piper", "blanks": "between", "language": settings["espeak"]["voice"]}
    spectrum = {"n_fft": N_FFT, "win_size": N_FFT, "convention": "vits"}
    features = {"phone": phone, "linear": spectrum, "audio": {}}
    made = card("VITS", rate, hop, features, arguments, facts, _speakers(settings, facts["n_speakers"]))
    symbols = _symbols(settings["phoneme_id_map"], facts["n_vocab"], weights)
    language = settings["espeak"]["voice"]
    return made | {"learned": {"phone": {"symbols": symbols}}, "language": language, "inference": _usual(settings)}, state


def _is_ours(config: Path) -> bool:
    try:
        settings = read_json(config, dict[str, Any])
    except ValueError:
        return False  # another program's
    return "phoneme_id_map" in settings and "espeak" in settings


def _weights(path: Path) -> Path:
    if path.is_file() and path.suffix != ".json":
        return path
    if path.is_file():
        return path.with_suffix("")  # voice.onnx of voice.onnx.json
    files = [*sorted(path.glob("*.onnx")), *sorted(path.glob("*.ckpt"))]
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise ValueError(f"{path} holds the configuration of a Piper voice and {len(files)} files of weights ({names}): name one.")
    return files[0]


def _settings(weights: Path) -> dict[str, Any]:
    folder = weights.parent
    own = folder / f"{weights.name}.json"
    training = folder / "config.json"
    config = own if own.is_file() else training
    if not config.is_file():
        raise ValueError(f"{weights} lacks its configuration {own.name}: download it from the same place.")
    return read_json(config, dict[str, Any])


def _tensors(weights: Path) -> State:
    """The state dict of VITS, without its discriminators."""
    if weights.suffix == ".onnx":
        return onnx_state(weights)
    state = strip(read_weights(weights), "state_dict")
    own = {key.removeprefix("model_g."): value for key, value in state.items() if key.startswith("model_g.")}
    return own or state


def onnx_state(path: Path) -> State:
    """The weights of a voice's ONNX file under the names that they had before it was written.

    Most kept them. Of the others the node that uses one says which module it is of: export multiplied weight norms out, and gave
    the symbols' table another name. Of the last layer of the durations there is the inverse of its scale.
    Raises ValueError for a file that is none, and ImportError where the package onnx is missing.
    """
    import onnx
    import torch
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except DecodeError as error:
        raise ValueError(f"{path} is damaged or cut short: copy or download it again.") from error
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    names = {tensor.name: tensor.name for tensor in graph.initializer if tensor.name.startswith(PARTS)}
    names |= {key: name for key, name in _by_use(graph) if name in constants}
    state = {}
    for key, name in names.items():
        array = numpy_helper.to_array(constants[name])
        state[key] = torch.from_numpy(array.copy())
    if SCALE in state:
        state[SCALE] = -state[SCALE].log()
    return state


PARTS = ("enc_p.", "dp.", "flow.", "dec.", "emb_g.")
SHIFT = "dp.flows.0.m"
SCALE = "dp.flows.0.logs"


def _by_use(graph: Any) -> Iterator[tuple[str, str]]:
    """(name before export, name in the file) of weights, by the nodes that use them; of the last scale its inverse."""
    users = {name: node for node in graph.node for name in node.input}
    for node in graph.node:
        path = node.name.strip("/")
        *modules, _ = path.split("/")
        module = ".".join(modules)
        if node.op_type in ("Conv", "ConvTranspose"):
            yield f"{module}.weight", node.input[1]
        if node.op_type == "Gather" and module in ("enc_p.emb", "emb_g"):
            yield f"{module}.weight", node.input[0]
        if SHIFT in node.input:
            shifted = node.output[0]
            scaled = users[shifted]
            scales = [name for name in scaled.input if name != shifted]
            yield SCALE, scales[0]


def _sizes(state: State, weights: Path) -> dict[str, Any]:
    """The section `model` of a VITS, as far as its weights tell. Raises ValueError for weights of another kind."""
    try:
        hidden = state["enc_p.emb.weight"].shape[1]
        relative = state["enc_p.encoder.attn_layers.0.emb_rel_k"]
        first = state["enc_p.encoder.ffn_layers.0.conv_1.weight"]
        latent = state["enc_p.proj.bias"].shape[0] // 2
        decoder = _decoder(state)
    except KeyError as error:
        raise ValueError(f"{weights} lacks {error}: it is no voice of Piper, or was exported by another program.") from error
    layers = {key.split(".")[3] for key in state if key.startswith("enc_p.encoder.attn_layers.")}
    return decoder | {
        "hidden_channels": hidden,
        "inter_channels": latent,
        "n_layers": len(layers),
        "n_heads": hidden // relative.shape[2],
        "filter_channels": first.shape[0],
        "kernel_size": first.shape[2],
        "p_dropout": 0.1,
    }


def _decoder(state: State) -> dict[str, Any]:
    kind = "1" if any(key.startswith("dec.resblocks.0.convs1.") for key in state) else "2"
    ups = sorted({key.split(".")[2] for key in state if key.startswith("dec.ups.")}, key=int)
    kernels = tuple(_kernel(state, f"dec.ups.{i}") for i in ups)
    return DECODERS[kind] | {
        "resblock": kind,
        "upsample_rates": tuple(kernel // 2 for kernel in kernels),
        "upsample_kernel_sizes": kernels,
        "upsample_initial_channel": len(state["dec.conv_pre.bias"]),
    }


def _kernel(state: State, layer: str) -> int:
    direction = f"{layer}.parametrizations.weight.original1"
    name = direction if direction in state else f"{layer}.weight"
    return state[name].shape[2]


def _reader(settings: dict[str, Any], weights: Path) -> str:
    """Who turns words into its phonemes."""
    kind = settings.get("phoneme_type", "espeak")
    if kind not in READ_AS:
        raise ValueError(f"{weights}: its phoneme_type: " + nearest(str(kind), READ_AS, "kind of phonemes"))
    return READ_AS[kind]


def _symbols(ids: dict[str, list[int]], count: int, weights: Path) -> list[str]:
    """The symbols in order of their ids; ids that are nobody's have a name that no text has."""
    symbols = [f"<{i}>" for i in range(count)]
    places = range(count)
    for symbol, own in ids.items():
        known = [number for number in own if number in places]
        if len(own) != 1 or known != own:
            raise ValueError(f"{weights}: phoneme_id_map gives {symbol!r} the ids {own}: one below {count} is needed.")
        place = own[0]
        symbols[place] = symbol
    return symbols


def _speakers(settings: dict[str, Any], count: int) -> list[str] | None:
    names = settings.get("speaker_id_map") or {}
    return sorted(names, key=names.get) if len(names) == count > 1 else numbered(count)


def _usual(settings: dict[str, Any]) -> dict[str, float]:
    """What the voice is usually said with."""
    given = settings.get("inference") or {}
    length = given.get("length_scale", 1.0)
    if not length > 0 or not math.isfinite(length):
        raise ValueError(f"inference.length_scale is {length}: a number above 0 is needed.")
    return {
        "noise_scale": given.get("noise_scale", 0.667),
        "duration_noise": given.get("noise_w", 0.8),
        "speed": 1 / length,
    }
