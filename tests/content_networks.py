"""Content networks small enough for tests, untrained, in the layouts of the real ones."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tests.test_pretrained_networks import hubert

RATES = {"whisper": 16000, "contentvec": 16000, "wavlm": 16000, "mert": 24000, "wenet": 16000}


def content_folder(name, folder):
    """The folder or file of a network for that feature, below `folder`."""
    makers = {"whisper": whisper_folder, "contentvec": contentvec_folder, "wavlm": wavlm_folder, "mert": mert_folder}
    folder.mkdir(parents=True, exist_ok=True)
    return wenet_file(folder / "wenet.pt") if name == "wenet" else makers[name](folder / name)


def whisper_folder(folder):
    transformers = pytest.importorskip("transformers")
    sizes = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "vocab_size": 60}
    sizes |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)
    torch.manual_seed(0)
    transformers.WhisperModel(transformers.WhisperConfig(**sizes, **tokens)).save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def contentvec_folder(folder, *, normalised=False):
    """With the final projection that published folders have beside the HuBERT, to 5 channels."""
    from safetensors.torch import load_file, save_file

    hubert(folder)
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(1)
    weights["final_proj.weight"] = torch.randn(5, 16)
    weights["final_proj.bias"] = torch.randn(5)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalised}))
    return folder


def wavlm_folder(folder):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "conv_dim": [8] * 7}
    torch.manual_seed(0)
    model = transformers.WavLMModel(transformers.WavLMConfig(**sizes, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2))
    model.save_pretrained(folder)
    return folder


def mert_folder(folder, **more):
    """A HuBERT under the name that MERT's own code goes by."""
    hubert(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    own = {"model_type": "mert_model", "architectures": ["MERTModel"], "auto_map": {"AutoModel": "modeling_MERT.MERTModel"}}
    path.write_text(json.dumps({**config, **own, "feature_extractor_cqt": False, "attention_relax": 32.0, **more}))
    return folder


class Encoder(nn.Module):
    """The subsampling of WeNet's encoder, and what the tests can follow: each of its frames is of seven of the input's."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 4, 3, 2)
        self.second = nn.Conv2d(4, 4, 3, 2)
        self.out = nn.Linear(4 * 19, 6)

    def forward(self, bands: torch.Tensor, count: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert bands.shape[1] == int(count[0])
        maps = self.second(torch.relu(self.first(bands[:, None])))
        rows = maps.transpose(1, 2).flatten(2)
        return self.out(rows), count // 4


class Plain(Encoder):
    """Without the count."""

    def forward(self, bands: torch.Tensor) -> torch.Tensor:
        maps = self.second(torch.relu(self.first(bands[:, None])))
        return self.out(maps.transpose(1, 2).flatten(2))


def wenet_file(path, network=Encoder):
    torch.jit.script(network().eval()).save(str(path))
    return path


def wenet_onnx(path):
    """The first bands of the frame in the middle of each seven, and the count that it was told, added."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    bounds = {"starts": [3, 0], "ends": [2**31 - 1, 6], "axes": [1, 2], "steps": [4, 1]}
    constants = [onnx.numpy_helper.from_array(np.array(value), name) for name, value in bounds.items()]
    nodes = [
        helper.make_node("Slice", ["speech", *bounds], ["middle"]),
        helper.make_node("Cast", ["speech_lengths"], ["count"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Add", ["middle", "count"], ["encoder_out"]),
    ]
    inputs = [
        helper.make_tensor_value_info("speech", onnx.TensorProto.FLOAT, ["n", "t", 80]),
        helper.make_tensor_value_info("speech_lengths", onnx.TensorProto.INT32, ["n"]),
    ]
    outputs = [helper.make_tensor_value_info("encoder_out", onnx.TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "encoder", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path
