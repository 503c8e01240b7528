"""The networks that metrics hear through: what each is, and where it comes from. Each is named by an option of its name."""

from __future__ import annotations

from utils.pretrained import Source
from utils.transcription import WHISPER

WAVLM = Source("wavlm", "WavLM x-vector: a folder or a hub id", hub="microsoft/wavlm-base-plus-sv")
WESPEAKER = Source(
    "wespeaker",
    "WeSpeaker: an .onnx file or its folder",
    form="FILE.onnx",
    origin="https://github.com/wenet-e2e/wespeaker",
)
RAWNET = Source(
    "rawnet",
    "RawNet3: an .onnx file or its folder",
    form="FILE.onnx",
    origin="https://github.com/Jungjee/RawNet",
)
VGGISH = Source(
    "vggish",
    "VGGish: the .pth of torchvggish",
    form="FILE.pth",
    origin="https://github.com/harritaylor/torchvggish/releases",
)
CLAP = Source("clap", "CLAP: a folder or a hub id", hub="laion/clap-htsat-unfused")
CLASSIFIER = Source(
    "classifier",
    "for fd, kd, is and kl: PANNs' Cnn14 .pth, or a folder with model.onnx",
    form="Cnn14.pth",
    origin="https://zenodo.org/record/3987831",
)
DNSMOS = Source(
    "dnsmos",
    "DNSMOS: the folder of sig_bak_ovr.onnx and model_v8.onnx",
    origin="https://github.com/microsoft/DNS-Challenge",
)
SOURCES = (WHISPER, WAVLM, WESPEAKER, RAWNET, VGGISH, CLAP, CLASSIFIER, DNSMOS)
