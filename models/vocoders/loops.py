"""The compiled loops over samples of WaveRNN and WaveNet, and the draw of one sample; plain arrays in, values out.

Everything is float32 and contiguous, rows (sounds made side by side) first. Matrices are `product.panels` of (inputs, outputs).
"""

from __future__ import annotations

import math

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from models.vocoders.product import F32, compiled, product

KINDS = {"categorical": 0, "logistic": 1, "gaussian": 2}
LN2_HIGH, LN2_LOW = F32(0.693359375), F32(-2.12194440e-4)  # their sum is ln 2; the first has few digits, so its product is exact


@intrinsic
def _float_of(context, bits):
    """The float32 with these bits."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return numba.types.float32(numba.types.int32), generate


@compiled
def exp(x):
    """e**x within 2e-7 of it, from a polynomial, so that the compiler can do eight at a time."""
    x = F32(-87.0) if x < F32(-87.0) else x
    x = F32(88.0) if x > F32(88.0) else x
    k = np.floor(x * F32(1.44269504) + F32(0.5))
    r = x - k * LN2_HIGH - k * LN2_LOW
    p = F32(1.9875691500e-4) * r + F32(1.3981999507e-3)
    p = p * r + F32(8.3334519073e-3)
    p = p * r + F32(4.1665795894e-2)
    p = p * r + F32(1.6666665459e-1)
    p = p * r + F32(5.0000001201e-1)
    return (p * r * r + r + F32(1.0)) * _float_of((numba.int32(k) + numba.int32(127)) << numba.int32(23))


@compiled
def _sigmoid(x):
    return F32(1.0) / (F32(1.0) + exp(-x))


@compiled
def _tanh(x):
    return F32(2.0) / (F32(1.0) + exp(F32(-2.0) * x)) - F32(1.0)


@compiled
def pick(y, kind, draws, temperature):
    """The class (for "categorical"), or the value, that `draws` choose from the network's numbers `y`: the twin of Output.sample."""
    if kind == 0:
        return _pick_class(y, draws[0], temperature)
    mixtures = max(1, len(y) // 3)
    lone = len(y) == 2
    best, most = 0, F32(-np.inf)
    for i in range(0 if lone else mixtures):
        noise = -math.log(-math.log(draws[i])) if mixtures > 1 else 0.0
        score = y[i] + temperature * noise
        if score > most:
            best, most = i, score
    mean, scale = (y[0], y[1]) if lone else (y[mixtures + best], y[2 * mixtures + best])
    last = draws[-1]
    away = last if kind == 2 else math.log(last) - math.log1p(-last)
    return min(max(mean + math.exp(scale) * temperature * away, -1.0), 1.0)


@compiled
def _pick_class(y, draw, temperature):
    best = np.argmax(y)
    if temperature == 0.0:
        return float(best)
    top, total = y[best], 0.0
    for i in range(len(y)):
        y[i] = exp((y[i] - top) / F32(temperature))
    for i in range(len(y)):
        total += y[i]
    goal, total = draw * total, 0.0
    for i in range(len(y)):
        total += y[i]
        if total >= goal:
            return float(i)
    return float(len(y) - 1)


@compiled
def _gru(inputs, past, hidden):
    """One step: `inputs` and `past` (rows, 3 * size) are both sides' products with biases; `hidden` (rows, size) moves on."""
    size = hidden.shape[1]
    for row in range(len(hidden)):
        a, b, h = inputs[row], past[row], hidden[row]
        for i in range(2 * size):
            b[i] = _sigmoid(a[i] + b[i])
        for i in range(size):
            a[i] = _tanh(a[2 * size + i] + b[i] * b[2 * size + i])
        for i in range(size):
            h[i] = a[i] + b[size + i] * (h[i] - a[i])


@compiled
def _add(out, other):
    for row in range(len(out)):
        for i in range(out.shape[1]):
            out[row, i] += other[row, i]


@compiled
def _add_rectified(out, other):
    for row in range(len(out)):
        for i in range(out.shape[1]):
            out[row, i] = max(out[row, i] + other[row, i], F32(0.0))


@compiled
def wavernn(told, weights, state, draws, kind, temperature, out):
    """Fills `out` (rows, samples).

    `told`: of every sample what the condition adds to the first layer, to the second GRU's input, and to both dense layers,
    each (samples, rows, size). `weights`: of the sample, GRU 1 (input, hidden, two biases), GRU 2 (input, hidden, bias),
    and the three dense layers and last bias. `state`: the sample before (rows,), both hidden states (rows, size).
    """
    to_first, to_gru, to_dense1, to_dense2 = told
    of_sample, in1, past1, bias_in1, bias_past1, in2, past2, bias_past2, dense1, dense2, dense3, bias3 = weights
    sample, hidden1, hidden2 = state
    rows, samples = out.shape
    size, classes = hidden1.shape[1], len(bias3)
    x = np.empty((rows, size), F32)
    gates, past = np.empty((rows, 3 * size), F32), np.empty((rows, 3 * size), F32)
    wide1, wide2 = np.empty((rows, to_dense1.shape[2]), F32), np.empty((rows, to_dense2.shape[2]), F32)
    y = np.empty((rows, classes), F32)
    for t in range(samples):
        for row in range(rows):
            for i in range(size):
                x[row, i] = to_first[t, row, i] + sample[row] * of_sample[i]
        product(x, in1, gates)
        product(hidden1, past1, past)
        for row in range(rows):
            for i in range(3 * size):
                gates[row, i] += bias_in1[i]
                past[row, i] += bias_past1[i]
        _gru(gates, past, hidden1)
        _add(x, hidden1)
        product(x, in2, gates)
        _add(gates, to_gru[t])
        product(hidden2, past2, past)
        for row in range(rows):
            for i in range(3 * size):
                past[row, i] += bias_past2[i]
        _gru(gates, past, hidden2)
        _add(x, hidden2)
        product(x, dense1, wide1)
        _add_rectified(wide1, to_dense1[t])
        product(wide1, dense2, wide2)
        _add_rectified(wide2, to_dense2[t])
        product(wide2, dense3, y)
        for row in range(rows):
            for i in range(classes):
                y[row, i] += bias3[i]
            picked = pick(y[row], kind, draws[t, row], temperature)
            sample[row] = 2 * picked / (classes - 1) - 1 if kind == 0 else picked
            out[row, t] = sample[row]


@compiled
def wavenet(told, weights, plan, state, draws, kind, temperature, out):
    """Fills `out` (rows, samples). Each layer's past inputs lie in a ring, so that a sample costs one step of every layer.

    `told`: (samples, layers, rows, gates), bias included. `weights`: of the first layer (classes, channels) or (1, channels)
    and its bias, of all layers the dilated (layers, kernel * channels, gates) and the last ones side by side
    (layers, gates / 2, channels + skips) with bias, and the two after the skips with biases.
    `plan`: of each layer the dilation and its ring's first place and length. `state`: the next sample's first layer
    (rows, channels), the rings (places, rows, channels), and how many samples went before (1,).
    """
    first, bias_first, dilated, last, bias_last, dense1, bias1, dense2, bias2 = weights
    dilations, begins, lengths = plan
    ahead, rings, gone = state
    rows, samples = out.shape
    layers, channels, gate = len(dilated), ahead.shape[1], told.shape[3] // 2
    kernel, skip = dilated.shape[2] // channels, bias_last.shape[1] - channels
    root, even = F32(math.sqrt(0.5)), F32(math.sqrt(1 / layers))
    x, taps = np.empty((rows, channels), F32), np.empty((rows, kernel * channels), F32)
    gates, active = np.empty((rows, 2 * gate), F32), np.empty((rows, gate), F32)
    ends, skips = np.empty((rows, channels + skip), F32), np.empty((rows, skip), F32)
    hidden, y = np.empty((rows, len(bias1)), F32), np.empty((rows, len(bias2)), F32)
    for t in range(samples):
        x[:] = ahead
        skips[:] = F32(0.0)
        for layer in range(layers):
            length, begin = lengths[layer], begins[layer]
            now = gone[0] % length
            rings[begin + now] = x
            for k in range(kernel):
                place = begin + (now - (kernel - 1 - k) * dilations[layer]) % length
                taps[:, k * channels : (k + 1) * channels] = rings[place]
            product(taps, dilated[layer], gates)
            for row in range(rows):
                g, added, a = gates[row], told[t, layer, row], active[row]
                for i in range(gate):
                    a[i] = _tanh(g[i] + added[i]) * _sigmoid(g[gate + i] + added[gate + i])
            product(active, last[layer], ends)
            for row in range(rows):
                for i in range(channels):
                    x[row, i] = (x[row, i] + ends[row, i] + bias_last[layer, i]) * root
                for i in range(skip):
                    skips[row, i] += ends[row, channels + i] + bias_last[layer, channels + i]
        for row in range(rows):
            for i in range(skip):
                skips[row, i] = max(skips[row, i] * even, F32(0.0))
        product(skips, dense1, hidden)
        for row in range(rows):
            for i in range(hidden.shape[1]):
                hidden[row, i] = max(hidden[row, i] + bias1[i], F32(0.0))
        product(hidden, dense2, y)
        gone[0] += 1
        for row in range(rows):
            for i in range(y.shape[1]):
                y[row, i] += bias2[i]
            picked = pick(y[row], kind, draws[t, row], temperature)
            out[row, t] = 2 * picked / (y.shape[1] - 1) - 1 if kind == 0 else picked
            if kind == 0 and len(first) > 1:
                ahead[row] = first[int(picked)] + bias_first
            else:
                ahead[row] = first[0] * out[row, t] + bias_first
