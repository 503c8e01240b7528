"""NSF-HiFiGAN against Amphion and openvpi, small and at full size: the source, and the sound with it."""

import json

import torch

from models.base.task import fit_weights
from models.upstream.amphion_vocoders import nsfhifigan as from_amphion
from models.upstream.openvpi import nsfhifigan as from_openvpi
from models.vocoders.nsfhifigan import NSFHiFiGAN
from tests.parity import close, compare, old_keys, open_case
from utils.config import build


def ours(config, state, source):
    """Our model for a reference's configuration, and its weights under our names."""
    if source == "amphion":
        (arguments, state), p = from_amphion(config, state), config["preprocess"]
        facts = {"n_mel": p["n_mel"], "sample_rate": p["sample_rate"]}
    else:
        arguments, state = from_openvpi(config, state)
        facts = {"n_mel": config["num_mels"], "sample_rate": config["sampling_rate"]}
    return build(NSFHiFiGAN, json.loads(json.dumps(arguments)), facts), state


def nsfhifigan(path):
    case = open_case(path)
    source, given = case.metadata["source"], case.given
    model = ours(case.config, {}, source)[0].eval()
    theirs = {key.removeprefix("generator."): value for key, value in old_keys(model.state_dict()).items()}
    state = case.state({key: tuple(value.shape) for key, value in theirs.items()})
    fit_weights(model, ours(case.config, state, source)[1], path.name)
    draws = {"phase": given.get("rand_ini"), "noise": given.get("randn_source", given.get("randn"))}
    with torch.no_grad():
        excitation = model.excitation(given["f0"], **draws)
        made = {"wav": model.decode(given["mel"], excitation, noise=given.get("randn_pre")), "har_source": excitation}
        if source == "amphion":
            made["har_source"] = excitation.transpose(1, 2)
        if "sine" in case.wanted:
            made["sine"], made["uv"] = model.m_source.excite(given["f0"], model.samples_per_frame, **draws)
        compare(case, made)
        folded = model.prepared().decode(given["mel"], excitation, noise=given.get("randn_pre"))
        close(folded, case.wanted["wav"], "folded wav")


CASES = {"nsfhifigan*": nsfhifigan, "fullsize_nsfhifigan*": nsfhifigan}
