"""AutoencoderKL against Amphion and AudioLDM: posterior, decoder, losses before and after the discriminator comes in."""

import torch

from models.base.adversarial import discriminator_loss, generator_loss
from models.base.balancer import AdaptiveWeight, adaptive_weight
from models.base.task import fit_weights
from models.tta.autoencoderkl import AutoencoderKL
from models.upstream.autoencoder_maps import sizes_of
from modules.discriminators.patch import PatchDiscriminator
from tests.parity import close, compare, open_case
from utils.config import build

CRITERION = "criterion."
JUDGE = "criterion.discriminator."


def network(weights, arguments, name):
    """Our autoencoder of published weights; any number of bands that its levels can halve will do."""
    sizes = sizes_of(weights)
    bands = 2 ** (len(sizes["multipliers"]) - 1)
    model = build(AutoencoderKL, {"sizes": sizes, **arguments}, {"n_mel": bands}).eval()
    fit_weights(model, weights, name)
    return model


def unnested(state, prefix):
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def amphion(path):
    case = open_case(path)
    weights = {key: value for key, value in case.weights.items() if not key.startswith(CRITERION)}
    logvar = case.weights["criterion.logvar"].item()
    model = network(weights, {"logvar": logvar}, path.name)
    given = case.given
    posterior = model.posterior(given["mel"])
    reconstruction = model.decoded(posterior.sample(given["noise"]))
    made = {
        "encoder_h": model.encoder(given["mel"]),
        "moments": model.quant_conv(model.encoder(given["mel"])),
        "posterior.mean": posterior.mean,
        "posterior.logvar": posterior.logvar,
        "posterior.kl": posterior.kl(),
        "decode_z": model.decoded(given["z"]),
        "decode_of_mode": model.decoded(posterior.mean),
        "reconstruction": reconstruction,
    }
    for when in ("pre", "post"):
        made |= losses(model, case, posterior, reconstruction, when)
    compare(case, {name: value.detach() for name, value in made.items()})
    mel = model.mel(given["mel"])
    close(model.encode(mel).mean.detach(), case.wanted["posterior.mean"], "of a mel")


def losses(model, case, posterior, reconstruction, when):
    """What Amphion's criterion gives, by our losses and weights."""
    settings = case.config["loss"]
    norm = "actnorm" if settings["use_actnorm"] else "batch"
    judge = PatchDiscriminator(layers=settings["disc_num_layers"], filters=settings["disc_ndf"], norm=norm)
    fit_weights(judge, unnested(case.weights, JUDGE), "the discriminator")
    real = case.given["mel"]
    inside = torch.ones(len(real), 1, 1, real.shape[3])
    ours = model.losses(real, reconstruction, posterior, inside, None)
    scores_real, scores_fake, *_ = judge(real, reconstruction)
    adversarial = generator_loss(scores_fake, "hinge")
    how = AdaptiveWeight(least=settings["min_adapt_d_weight"], most=settings["max_adapt_d_weight"])
    weight = settings["disc_weight"] * adaptive_weight(ours, adversarial, model.last_layer, how, lambda value: value)
    factor = settings["disc_factor"] if when == "post" else 0.0
    own = ours["reconstruction"] + settings["kl_weight"] * ours["kl"]
    against = discriminator_loss(scores_real, scores_fake, "hinge") / 2  # which the optimizer does not see
    return {
        f"loss_{when}.rec_loss": (real - reconstruction).abs().mean(),
        f"loss_{when}.nll_loss": ours["reconstruction"],
        f"loss_{when}.kl_loss": ours["kl"],
        f"loss_{when}.g_loss": adversarial,
        f"loss_{when}.d_weight": weight,
        f"loss_{when}.disc_factor": torch.tensor(factor),
        f"loss_{when}.loss": own + factor * weight * adversarial,
        f"disc_{when}.logits_real": scores_real[0].mean(),
        f"disc_{when}.logits_fake": scores_fake[0].mean(),
        f"disc_{when}.d_loss": factor * against,
    }


def audioldm(path):
    case = open_case(path)
    model = network(case.weights, {"height": "time"}, path.name)
    given = case.given
    with torch.no_grad():
        posterior = model.posterior(given["mel"])
        made = {
            "moments": model.quant_conv(model.encoder(given["mel"])),
            "posterior.mean": posterior.mean,
            "posterior.logvar": posterior.logvar,
            "posterior.sample": posterior.sample(given["noise"]),
            "decode_z": model.decoded(given["z"]),
            "decode_mode": model.decoded(posterior.mean),
        }
    compare(case, made)


CASES = {"autoencoderkl__amphion*": amphion, "audioldm_vae__haoheliu*": audioldm}
