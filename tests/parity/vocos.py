"""Vocos against gemelo-ai and Amphion: decoding, the mel it reads, and the way through both, small and at full size."""

import json

import torch

from models.base.task import fit_weights
from models.upstream.vocos import amphion_vocos_sizes, gemelo_vocos
from models.vocoders.vocos import Vocos
from processors.mel import MelSettings, MelSpectrogram
from tests.parity import close, compare, old_keys, open_case
from utils.config import build


def gemelo(path):
    case = open_case(path)
    arguments, facts, features, _ = gemelo_vocos(case.config, {})
    model = made(arguments, facts)
    state = case.state({key: tuple(value.shape) for key, value in old_keys(model.state_dict()).items()})
    fit_weights(model, gemelo_vocos(case.config, state)[3], path.name)
    choices = [case.given["bandwidth_id"]] if "bandwidth_id" in case.given else range(max(1, model.bandwidths))
    found = {}
    with torch.no_grad():
        for i, choice in enumerate(choices):
            choice = choice if model.bandwidths else None
            given = case.given["mel"] if "features" not in case.given else case.given["features"]
            decoded = model.decode(given, bandwidth_id=choice).squeeze(1)
            whole = model.infer(given.transpose(1, 2), bandwidth_id=choice)
            samples = min(whole.shape[1], decoded.shape[1])
            close(whole[:, :samples], decoded[:, :samples], "infer")
            found |= {"decode": decoded, f"decode_bw{i}": decoded}
            if "wav" in case.given:
                heard = mel_of(case.given["wav"], features["mel"], facts)
                found |= {"mel": heard, "features": heard, "resynth": model.decode(heard, bandwidth_id=choice).squeeze(1)}
        compare(case, found)


def mel_of(wave, settings, facts):
    hop = facts["mel_hop_size"]
    mel = MelSpectrogram(MelSettings(**settings, sample_rate=facts["sample_rate"], hop_size=hop))
    heard, odd = mel(wave).transpose(1, 2), (settings["n_fft"] - hop) % 2
    # The reference pads an odd margin one sample short, and so loses the last frame of a sound that is whole hops long.
    return heard[..., :-1] if mel.convention.padding == "same" and odd and wave.shape[1] % hop == 0 else heard


def amphion(path):
    case = open_case(path)
    hop = case.config.get("hop_size", 200)
    arguments, _ = amphion_vocos_sizes(case.config, {})
    model = made(arguments, {"n_mel": case.config.get("input_channels", 256), "hop_size": hop})
    state = case.state({key: tuple(value.shape) for key, value in model.state_dict().items()})
    fit_weights(model, amphion_vocos_sizes(case.config, state)[1], path.name)
    with torch.no_grad():
        choice = next((value for name, value in case.given.items() if name != "x"), None)
        compare(case, {"wav": model.decode(case.given["x"], bandwidth_id=choice)})


def made(arguments, facts):
    return build(Vocos, json.loads(json.dumps(arguments)), {k: facts[k] for k in ("n_mel", "hop_size")}).eval()


CASES = {
    "vocos*__gemelo-ai*": gemelo,
    "fullsize_vocos*__gemelo-ai*": gemelo,
    "vocos*__amphion*": amphion,
    "fullsize_vocos*__amphion*": amphion,
}
