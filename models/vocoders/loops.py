"""The compiled loops over samples of WaveRNN and WaveNet, and the draw of one sample; plain arrays in, values out.

Everything is float32 and contiguous, rows (sounds made side by side) first. Matrices are (outputs, inputs), as torch keeps them.
"""

from __future__ import annotations

import math

import numba
import numpy as np

F32 = np.float32
KINDS = {"categorical": 0, "logistic": 1, "gaussian": 2}
FEW_ROWS = 4  # up to here a product for each row is faster than one for all


@numba.njit(cache=True, nogil=True)
def product(x, weight, out):
    """x (rows, inputs) times a weight (outputs, inputs), into out (rows, outputs)."""
    if len(x) <= FEW_ROWS:
        for row in range(len(x)):
            np.dot(weight, x[row], out[row])
    else:
        # BLAS copies matrices into an order of its own; with the weight on the left, that takes a third of the time.
        out[:] = np.dot(weight, x.T).T


@numba.njit(cache=True, nogil=True)
def _sigmoid(x):
    return F32(1.0) / (F32(1.0) + np.exp(-x))


@numba.njit(cache=True, nogil=True)
def _tanh(x):  # six times as fast as np.tanh
    return F32(2.0) / (F32(1.0) + np.exp(F32(-2.0) * x)) - F32(1.0)


@numba.njit(cache=True, nogil=True)
def pick(y, kind, draws, temperature):
    """The class (for "categorical"), or the value, that `draws` choose from the network's numbers `y`: the twin of Output.sample."""
    if kind == 0:
        return _pick_class(y, draws[0], temperature)
    mean, log_scale = _pick_part(y, draws, temperature)
    noise = draws[-1]
    if kind == 1:
        noise = math.log(noise) - math.log1p(-noise)
    value = mean + math.exp(log_scale) * temperature * noise
    return min(max(value, -1.0), 1.0)


@numba.njit(cache=True, nogil=True)
def _pick_class(y, draw, temperature):
    best = np.argmax(y)
    if temperature == 0.0:
        return float(best)
    cumulative = np.cumsum(np.exp((y - y[best]) / temperature))
    return float(np.searchsorted(cumulative, draw * cumulative[-1]))


@numba.njit(cache=True, nogil=True)
def _pick_part(y, draws, temperature):
    """Mean and log scale of one part of a mixture, [logits | means | log scales], or of the lone Gaussian [mean | log scale]."""
    if len(y) == 2:
        return y[0], y[1]
    mixtures = len(y) // 3
    best = 0
    if mixtures > 1:
        noise = -np.log(-np.log(draws[:-1]))
        best = np.argmax(y[:mixtures] + temperature * noise)
    return y[mixtures + best], y[2 * mixtures + best]


@numba.njit(cache=True, nogil=True)
def _sample(y, kind, draws, temperature, values):
    """The next value of each row, into values (rows,), from the network's numbers y (rows, channels)."""
    steps = y.shape[1] - 1
    for row in range(len(y)):
        picked = pick(y[row], kind, draws[row], temperature)
        if kind == 0:
            picked = 2 * picked / steps - 1
        values[row] = picked


@numba.njit(cache=True, nogil=True)
def _gru(inputs, past, hidden):
    """One step: `inputs` and `past` (rows, 3 * size) are both sides' products with biases; `hidden` (rows, size) moves on."""
    size = hidden.shape[1]
    double = 2 * size
    gates = _sigmoid(inputs[:, :double] + past[:, :double])
    reset = gates[:, :size]
    update = gates[:, size:]
    remembered = reset * past[:, double:]
    candidate = _tanh(inputs[:, double:] + remembered)
    change = update * (hidden - candidate)
    hidden[:] = candidate + change


@numba.njit(cache=True, nogil=True)
def wavernn(conditions, weights, state, draws, kind, temperature, out):
    """Fills `out` (rows, samples).

    `conditions`: of every sample what the condition adds to the first layer, to the second GRU's input, and to both dense
    layers, each (samples, rows, size). `weights`: of the sample, GRU 1 (input, hidden, two biases), GRU 2 (input, hidden,
    bias), and the three dense layers and last bias. `state`: the sample before (rows,), both hidden states (rows, size).
    """
    to_first, to_gru, to_dense1, to_dense2 = conditions
    of_sample, in1, past1, bias_in1, bias_past1, in2, past2, bias_past2, dense1, dense2, dense3, bias3 = weights
    sample, hidden1, hidden2 = state
    rows, samples = out.shape
    inputs = np.empty((rows, len(in1)), F32)
    past = np.empty((rows, len(past1)), F32)
    wide1 = np.empty((rows, len(dense1)), F32)
    wide2 = np.empty((rows, len(dense2)), F32)
    y = np.empty((rows, len(dense3)), F32)
    for t in range(samples):
        x = to_first[t] + np.outer(sample, of_sample)
        product(x, in1, inputs)
        product(hidden1, past1, past)
        _gru(inputs + bias_in1, past + bias_past1, hidden1)
        x += hidden1
        product(x, in2, inputs)
        product(hidden2, past2, past)
        _gru(inputs + to_gru[t], past + bias_past2, hidden2)
        x += hidden2
        product(x, dense1, wide1)
        activated = np.maximum(wide1 + to_dense1[t], F32(0.0))
        product(activated, dense2, wide2)
        activated = np.maximum(wide2 + to_dense2[t], F32(0.0))
        product(activated, dense3, y)
        _sample(y + bias3, kind, draws[t], temperature, sample)
        out[:, t] = sample


@numba.njit(cache=True, nogil=True)
def _taps(rings, begin, length, dilation, now, taps):
    """The inputs of a dilated convolution at sample `now`, oldest first, into taps (rows, kernel * channels)."""
    channels = rings.shape[2]
    kernel = taps.shape[1] // channels
    for k in range(kernel):
        age = (kernel - 1 - k) * dilation
        place = begin + (now - age) % length
        first = k * channels
        taps[:, first : first + channels] = rings[place]


@numba.njit(cache=True, nogil=True)
def wavenet(conditions, weights, plan, state, draws, kind, temperature, out):
    """Fills `out` (rows, samples). Each layer's past inputs lie in a ring, so that a sample costs one step of every layer.

    `conditions`: (samples, layers, rows, gates), bias included. `weights`: of the first layer (classes, channels) or
    (1, channels) and its bias, of all layers the dilated (layers, gates, kernel * channels) and the last ones, one above
    the other, (layers, channels + skips, gates / 2) with bias, and the two after the skips with biases.
    `plan`: of each layer the dilation and its ring's first place and length. `state`: the next sample's first layer
    (rows, channels), the rings (places, rows, channels), and how many samples went before (1,).
    """
    first, bias_first, dilated, last, bias_last, dense1, bias1, dense2, bias2 = weights
    dilations, begins, lengths = plan
    ahead, rings, past = state
    rows, samples = out.shape
    layers = len(dilated)
    channels = ahead.shape[1]
    gate = dilated.shape[1] // 2
    width = bias_last.shape[1]
    root = F32(math.sqrt(0.5))
    even = F32(math.sqrt(1 / layers))
    taps = np.empty((rows, dilated.shape[2]), F32)
    gates = np.empty((rows, 2 * gate), F32)
    ends = np.empty((rows, width), F32)
    hidden = np.empty((rows, len(bias1)), F32)
    y = np.empty((rows, len(bias2)), F32)
    values = np.empty(rows, F32)
    for t in range(samples):
        now = past[0]
        x = ahead.copy()
        skips = np.zeros((rows, width - channels), F32)
        for layer in range(layers):
            begin = begins[layer]
            length = lengths[layer]
            rings[begin + now % length] = x
            _taps(rings, begin, length, dilations[layer], now, taps)
            product(taps, dilated[layer], gates)
            gates += conditions[t, layer]
            gated = _tanh(gates[:, :gate]) * _sigmoid(gates[:, gate:])
            product(gated, last[layer], ends)
            ends += bias_last[layer]
            residual = ends[:, :channels]
            x = (x + residual) * root
            skips += ends[:, channels:]
        past[0] += 1
        activated = np.maximum(skips * even, F32(0.0))
        product(activated, dense1, hidden)
        activated = np.maximum(hidden + bias1, F32(0.0))
        product(activated, dense2, y)
        _sample(y + bias2, kind, draws[t], temperature, values)
        out[:, t] = values
        for row in range(rows):
            embedded = _embedded(first, values[row], kind, len(bias2))
            ahead[row] = bias_first + embedded


@numba.njit(cache=True, nogil=True)
def _embedded(first, value, kind, classes):
    """The first layer's (channels,) for a value in [-1, 1]: the row of its class where one is given, else a multiple."""
    if kind == 0 and len(first) > 1:
        return first[round((value + 1) / 2 * (classes - 1))]
    return first[0] * value
