"""VALL-E: the cache gives the very codes that the whole forward does, batches and hypotheses, guards, prefixes, published names."""

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.base.task import fit_weights
from models.tts.valle import VALLE
from models.tts.valle_conditions import gathered
from models.tts.valle_sampling import Sampling, by_chance
from models.upstream import foreign_model_type, read_foreign
from models.upstream.valle_maps import BOOK, HEAD, STAGE, from_published
from modules.masks import valid
from tests.conftest import make
from tests.networks import stirred

BOOKS = 4
SIZE = 24
SETTINGS = {"n_vocab": 12, "codebooks": BOOKS, "codebook_size": SIZE, "sample_rate": 8000, "hop_size": 80, "hidden": 16}
VARIANTS = {
    "plain": {},
    "bos": {"prepend_bos": True},
    "post-norm": {"decoder": {"layers": 2, "heads": 4, "norm_first": False}, "prefix": {"mode": 0}},
    "prenet": {"prenet": True, "share_embedding": False, "prepend_bos": True, "prefix": {"mode": 2}},
    "scaled": {"nar_scale": 0.5, "prefix": {"mode": 4}},
}


def valle(**settings):
    torch.manual_seed(0)
    model = make(VALLE, **{**SETTINGS, "decoder": {"layers": 2, "heads": 4}, **settings})
    return stirred(model, 0.3)


@pytest.fixture(params=VARIANTS)
def model(request):
    return valle(**VARIANTS[request.param])


def texts(*lengths, seed=1):
    """Phones (batch, tokens) of these lengths, padded, and the lengths."""
    random = torch.Generator().manual_seed(seed)
    phone = torch.randint(1, 12, (len(lengths), max(lengths)), generator=random)
    tokens = torch.tensor(lengths)
    return phone * valid(tokens), tokens


def prompts(*lengths, seed=2):
    random = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, SIZE, (len(lengths), max(lengths), BOOKS), generator=random)
    frames = torch.tensor(lengths)
    return codes * valid(frames)[..., None], frames


@torch.no_grad()
def slowly(model, phone, codes, count):
    """The first codebook of one text by the whole forward for each code, the likeliest each."""
    drawn = codes[..., 0]
    for _ in range(count):
        lengths = torch.tensor([drawn.shape[1]])
        scores = model.ar(phone, torch.tensor([phone.shape[1]]), drawn, lengths)[:, -1]
        if drawn.shape[1] == codes.shape[1]:
            scores[:, model.ar.end] = -torch.inf
        best = scores.argmax(-1)
        if int(best) == model.ar.end:
            break
        drawn = torch.cat([drawn, best[None]], 1)
    return drawn[0, codes.shape[1] :]


def test_the_cache_gives_the_codes_of_the_whole_forward_to_the_last(model):
    phone, _ = texts(4)
    codes, _ = prompts(5)
    out = model.infer(phone, codes, top_k=1)
    expected = slowly(model, phone, codes, 16 * 4 + 1 - model.ar.before)
    assert torch.equal(out["codes"][0, :, 0], expected) and len(expected) > 5


def test_a_batch_of_unequal_lengths_says_what_each_would_alone(model):
    lengths, beginnings = (5, 2, 3), (3, 7, 5)
    phone, tokens = texts(*lengths)
    codes, frames = prompts(*beginnings)
    together = model.infer(phone, codes, tokens=tokens, prompt_frames=frames, top_k=1)
    for row, (count, begun) in enumerate(zip(lengths, beginnings, strict=True)):
        alone = model.infer(phone[row : row + 1, :count], codes[row : row + 1, :begun], top_k=1)
        size = int(alone["frames"])
        assert int(together["frames"][row]) == size
        assert torch.equal(together["codes"][row, :size], alone["codes"][0])
        assert not together["codes"][row, size:].any()


def test_what_is_drawn_does_not_depend_on_the_batch(model):
    phone, tokens = texts(3, 5)
    codes, frames = prompts(4, 4)
    options = {"seed": 3, "top_p": 0.9, "temperature": 0.8, "repeats": 0.2}
    together = model.infer(phone, codes, tokens=tokens, prompt_frames=frames, **options)
    alone = model.infer(phone[:1, :3], codes[:1], **options)
    assert torch.equal(together["codes"][0, : int(alone["frames"])], alone["codes"][0])
    again = model.infer(phone[:1, :3], codes[:1], **options | {"seed": 4})
    assert again["codes"].shape != alone["codes"].shape or not torch.equal(again["codes"], alone["codes"])


def test_the_likeliest_of_several_hypotheses_is_said():
    model = valle()
    phone, _ = texts(3)
    codes, _ = prompts(4)
    one = model.infer(phone, codes, seed=3)
    best = model.infer(phone, codes, seed=3, hypotheses=6)
    assert best["likelihood"] > one["likelihood"]
    frames = best["frames"]
    whole = torch.cat([codes, best["codes"]], 1)
    with torch.no_grad():
        scores = model.ar(phone, torch.tensor([3]), whole[..., 0], frames + 4).log_softmax(-1)
    said = scores[0, 3 : 3 + int(frames)].gather(1, best["codes"][0, :, 0][:, None])
    assert abs(float(said.mean()) - float(best["likelihood"])) < 0.2, "the first code cannot be the end, which the score does not know"


def test_the_second_network_does_not_work_on_hypotheses_that_are_not_said():
    model = valle(decoder={"layers": 2, "heads": 4, "norm_first": False})
    phone, _ = texts(4, seed=50)
    codes, _ = prompts(6, seed=90)
    options = {"seed": 5, "hypotheses": 4, "top_p": 0.9}
    said = model.infer(phone, codes, **options)
    all_of_them = model.several(phone, codes, **options)
    best = int(all_of_them["likelihood"].argmax())
    count = int(said["frames"])
    assert count < int(all_of_them["frames"].max()), "the longest is another one"
    assert said["codes"].shape[1] == count
    assert torch.equal(said["codes"][0], all_of_them["codes"][best, :count])


def test_one_frame_has_no_beginning_to_go_on_from():
    with pytest.raises(ValueError, match="codes: 2 frames or more are needed, .* got 1"):
        valle().continual(texts(3)[0], prompts(1)[0])


def test_a_text_that_does_not_end_is_stopped_and_named(caplog):
    model = valle()
    with torch.no_grad():
        model.ar.predict_layer.weight[-1] = 0
        model.ar.predict_layer.weight[:3] *= 100
    phone, _ = texts(3)
    out = model.infer(phone, prompts(4)[0], top_k=1)
    assert out["frames"].tolist() == [16 * 3 + 1]
    assert "did not end a text by itself: it was stopped after 49 frames (0.5 s), 16 for each token" in caplog.text


def test_sound_comes_while_codes_still_come(model):
    phone, _ = texts(3)
    codes, _ = prompts(5)
    whole = model.infer(phone, codes, seed=1, repeats=0.3)["codes"]
    pieces = list(model.pieces(phone, codes, chunk_frames=7, seed=1, repeats=0.3))
    assert all(piece.shape[1] == 7 for piece in pieces[:-1]) and len(pieces) > 1
    streamed = torch.cat(pieces, 1)
    assert streamed.shape == whole.shape
    assert torch.equal(streamed[..., 0], whole[..., 0]), "the first codebook is that of the whole"
    first = model.pieces(phone, codes, chunk_frames=7, seed=1, repeats=0.3)
    assert torch.equal(next(first), pieces[0])


def test_what_is_likely_alone_is_drawn():
    scores = torch.tensor([[0.0, 3.0, 2.0, 1.0]]).repeat(400, 1)
    uniform = (torch.arange(400) + 0.5) / 400
    drawn = {name: set(Sampling(**options).drawn(scores, uniform).tolist()) for name, options in {
        "all": {}, "two": {"top_k": 2}, "most": {"top_p": 0.7}, "none": {"top_p": 0.0}, "cold": {"temperature": 0}, "one": {"top_k": 1},
    }.items()}  # fmt: skip
    assert drawn == {"all": {0, 1, 2, 3}, "two": {1, 2}, "most": {1, 2}, "none": {1}, "cold": {1}, "one": {1}}
    shares = np.bincount(by_chance(scores, uniform).numpy(), minlength=4) / 400
    np.testing.assert_allclose(shares, scores[0].softmax(-1), atol=0.003)


def test_a_code_is_repeated_so_often_and_no_more():
    sampling = Sampling(repeats=0.3, window=10)
    recent = [torch.tensor([1, 5])] * 4
    assert sampling.repeated(torch.tensor([1, 2]), recent).tolist() == [True, False]
    assert sampling.repeated(torch.tensor([1, 2]), recent[:3]).tolist() == [False, False]
    assert not Sampling().repeated(torch.tensor([1, 5]), recent).any()


@pytest.mark.parametrize("mode", [0, 1, 2, 4])
def test_what_is_told_in_training_is_not_asked(mode):
    model = valle(prefix={"mode": mode, "longest": 5}).train()
    codes, frames = prompts(16, 12)
    given, counts = prompts(7, 3, seed=5)
    batch = {"prompt_codec": given, "prompt_frames": counts}
    prefixed = model._prefixed(codes, frames, batch)
    assert prefixed.lengths.tolist() == {2: [19, 15], 4: [21, 15]}.get(mode, [16, 12])
    asked = prefixed.wanted.sum(1)
    if mode == 0:
        assert prefixed.prompt is None and asked.tolist() == [16, 12]
    elif mode == 1:
        assert (asked + prefixed.prompt.sum(1)).tolist() == [16, 12] and set(prefixed.prompt.sum(1).tolist()) <= {3, 4, 5}
    elif mode == 2:
        assert asked.tolist() == [13, 9] and prefixed.prompt.sum(1).tolist() == [3, 3]
        for row in range(2):
            stretch = prefixed.codes[row, :3]
            own = prefixed.codes[row, 3 : 3 + int(frames[row])]
            missing = [i for i in range(int(frames[row])) if not prefixed.wanted[row, 3 + i]]
            assert torch.equal(own[missing], stretch), "the stretch that is told is the one that is not asked"
    else:
        assert asked.tolist() == [16, 12] and prefixed.prompt.sum(1).tolist() == [5, 3]
        assert torch.equal(prefixed.codes[1, :3], given[1, :3]) and torch.equal(prefixed.codes[1, 3:15], codes[1, :12])


@pytest.mark.parametrize("mode, expected", [(1, [1, 2, 3, 4, 5, 6]), (2, [1, 4, 5, 6]), (4, [1, 4, 5, 6])])
def test_the_second_network_reads_the_words_of_the_prompt_where_it_learnt_to(mode, expected):
    model = valle(prefix={"mode": mode})
    phone = torch.tensor([[1, 2, 3, 4, 5, 6]])
    given = model._condition(phone, prompts(4)[0], torch.tensor([3]), None, None)
    read, tokens = given.text(model.prefix.mode in (2, 4))
    assert read[0].tolist() == expected and tokens.tolist() == [len(expected)]


def test_each_stage_trains_its_network():
    codes, frames = prompts(16, 12)
    phone, tokens = texts(4, 3)
    batch = {"phone": phone, "tokens": tokens, "codec": codes, "frames": frames}
    model = valle().train()
    for stage, names in (("", {"ar", "nar"}), ("ar", {"ar"}), ("nar", {"nar"})):
        model.stage = stage
        assert model(batch).keys() == names


def test_codes_of_another_codec_are_named():
    model = valle()
    phone, _ = texts(3)
    codes, _ = prompts(4)
    with pytest.raises(ValueError, match="3 codebooks are given, and this VALLE speaks in 4: set the codec's bandwidth"):
        model.infer(phone, codes[..., :3])
    with pytest.raises(ValueError, match="codes are 0 to 23 here, got 0 to 24: they are another codec's"):
        model.infer(phone, torch.tensor([[[0, 1, 2, 24]]]))
    with pytest.raises(ValueError, match="prompt: VALLE goes on from a frame of sound or more"):
        model.infer(phone, codes[:, :0].new_zeros(1, 1, 4), prompt_frames=torch.tensor([0]))
    assert valle(prepend_bos=True).infer(phone, codes[:, :1], prompt_frames=torch.tensor([0]), top_k=1)["frames"] > 0
    with pytest.raises(ValueError, match="VALLE predicts 2 codebooks or more, and the codec gives 1"):
        valle(codebooks=1)


def test_half_precision_says_much_the_same():
    model = valle()
    phone, _ = texts(3)
    out = model.infer(phone, prompts(4)[0], top_k=1, precision="bfloat16")
    assert out["codes"].shape[2] == BOOKS and model.ar.predict_layer.weight.dtype == torch.float32
    with torch.no_grad():
        model.ar.predict_layer.weight.zero_()
    again = model.infer(phone, prompts(4)[0], top_k=1, precision="bfloat16")
    assert (again["codes"][..., 0] == 0).all(), "it speaks by the weights of before"


def published(model):
    """The weights under the names that others published, tied ones twice, and the configuration."""
    state, ours = {}, copy.deepcopy(model.state_dict())
    table = ours.pop("nar.audio_embedding.weight")
    for stage, row in enumerate(ours.pop("nar.stage_embedding.weight")):
        state[STAGE.format(stage)] = row[None]
    first, *rest = table.split([SIZE + 1] + [SIZE] * (len(table) // SIZE - 1))
    books = [first, *rest[: BOOKS - 1]]
    own = rest[BOOKS - 1 :]
    for book, rows in enumerate(books):
        state[BOOK.format(book)] = rows
    for stage in range(BOOKS - 1):
        tied = model.nar.shares and stage < BOOKS - 2
        state[HEAD.format(stage)] = books[stage + 2] if tied else own[0 if model.nar.shares else stage]
    layers = {0: 1, 1: 2, 4: 5, 5: 6, 8: 9, 9: 10, 12: 14}
    for key, value in ours.items():
        network, _, rest = key.partition(".")
        part, _, inner = rest.partition(".")
        if part == "text_prenet":
            number, _, inner = inner.partition(".")
            inner = f"{layers[int(number)]}.{inner}"
        if part.endswith("_embedding"):
            inner = f"word_embeddings.{inner}"
        state[f"{network}_{part}.{inner}".replace("in_proj.", "in_proj_")] = value
    first = model.ar.decoder
    config = {
        "num_quantizers": BOOKS, "decoder_dim": 16, "num_decoder_layers": 2, "nhead": 4, "norm_first": first.norm is not None,
        "nar_scale_factor": 1 if model.nar.text_embedding.embedding_dim == 16 else 0.5, "add_prenet": model.ar.text_prenet is not None,
        "prefix_mode": model.prefix.mode, "share_embedding": model.nar.shares, "prepend_bos": bool(model.ar.before),
    }  # fmt: skip
    return config, state


def test_published_weights_of_every_kind_load(model):
    config, state = published(model)
    arguments, facts, weights = from_published(config, state)
    other = make(VALLE, **facts, **arguments, sample_rate=8000, hop_size=80).eval()
    fit_weights(other, weights, "published")
    phone, _ = texts(5)
    codes, _ = prompts(6)
    expected = model.infer(phone, codes, top_k=1)["codes"]
    assert torch.equal(other.infer(phone, codes, top_k=1)["codes"], expected)


def test_a_name_that_a_writer_left_out_of_two_is_no_loss():
    model = valle()
    config, state = published(model)
    for absent in (HEAD.format(0), BOOK.format(3)):
        kept = {key: value for key, value in state.items() if key != absent}
        weights = from_published(config, kept)[2]
        assert all(torch.equal(value, model.state_dict()[key]) for key, value in weights.items())
    with pytest.raises(ValueError, match="the weights lack embeddings or heads"):
        from_published(config, {key: value for key, value in state.items() if key != BOOK.format(1)})


def test_what_lies_outside_is_taken_from_the_end():
    values = torch.arange(3)[None, :, None]
    assert gathered(values, torch.tensor([[-1, 1, 5]]))[0, :, 0].tolist() == [0, 1, 2]


SYMBOLS = "<eps> 0\n_ 1\na 2\nb 3\nc 4\n"


@pytest.fixture
def lifeiteng(tmp_path):
    """A checkpoint as lifeiteng's training writes one: sizes and weights in one file, the phones beside it."""
    config, state = published(valle())
    torch.save({**config, "scale_factor": config.pop("nar_scale_factor"), "model": state}, tmp_path / "epoch-10.pt")
    (tmp_path / "unique_text_tokens.k2symbols").write_text(SYMBOLS)
    return tmp_path / "epoch-10.pt"


def test_lifeitengs_checkpoint_is_read(lifeiteng):
    card, weights = read_foreign(lifeiteng)
    assert card["model_type"] == foreign_model_type(lifeiteng.parent) == "VALLE"
    assert card["preprocess"]["features"]["codec"] == {"bandwidth": 3.0}
    assert card["learned"]["phone"]["symbols"][:3] == ["<pad>", "<bos>", "<eos>"]
    assert all(torch.equal(weights[name], value) for name, value in valle().state_dict().items())
    (lifeiteng.parent / "unique_text_tokens.k2symbols").unlink()
    with pytest.raises(ValueError, match="unique_text_tokens.k2symbols is missing: it holds the symbols"):
        read_foreign(lifeiteng)


def test_amphions_folder_is_read(tmp_path):
    config, state = published(valle())
    args = {"model_type": "VALLE", "model": config, "preprocess": {"phone_extractor": "espeak", "symbols_dict": "symbols.dict"}}
    (tmp_path / "args.json").write_text(json.dumps(args))
    (tmp_path / "symbols.dict").write_text(SYMBOLS)
    folder = tmp_path / "checkpoint/final_epoch-0100_step-0837900_loss-3.88"
    folder.mkdir(parents=True)
    torch.save(state, folder / "pytorch_model.bin")
    card, weights = read_foreign(tmp_path)
    assert card["model_type"] == "VALLE" and card["facts"]["codebooks"] == BOOKS
    assert all(torch.equal(weights[name], value) for name, value in valle().state_dict().items())


@pytest.mark.parametrize("name, value", [("rate", 16000), ("hop_size", 160), ("codebook_size", 32), ("codebooks", 2)])
def test_a_codec_of_another_kind_is_named(name, value):
    own = {"rate": 8000, "hop_size": 80, "codebook_size": SIZE, "codebooks": BOOKS}
    valle().check_codec(SimpleNamespace(**own))
    with pytest.raises(ValueError, match=f"codec: .*{value}.*{own[name]}"):
        valle().check_codec(SimpleNamespace(**own | {name: value}))
