"""Few rows times a large matrix, which is what an autoregressive step costs; compiled, for the loops of `loops.py`.

BLAS copies a matrix into another order before it multiplies. For a few rows that takes longer than the product, and here
the same matrix comes back at every sample; so it is put in order once (`panels`), and what is left is read once a step.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

F32 = np.float32
LANES = 8  # floats of a vector register (AVX2); LLVM splits them where they are shorter
PANEL = 2 * LANES  # outputs side by side: with four rows, eight sums that stay in registers

compiled = numba.njit(cache=True, nogil=True, fastmath={"contract", "nsz", "arcp"}, error_model="numpy")


def panels(weight: np.ndarray) -> np.ndarray:
    """(..., inputs, outputs) as (..., ceil(outputs / 16), inputs, 16), zeros beyond the last output."""
    *before, inputs, outputs = weight.shape
    wide = -(-outputs // PANEL) * PANEL
    padded = np.zeros((*before, inputs, wide), F32)
    padded[..., :outputs] = weight
    return np.ascontiguousarray(np.moveaxis(padded.reshape(*before, inputs, wide // PANEL, PANEL), -2, -3))


def _tile(rows: int) -> Any:
    """The product of `rows` rows of x, from `row` on, with one panel (inputs, 16), into as many columns of `out`."""

    @intrinsic
    def multiply(_, x, panel, out, row, column):  # type: ignore[no-untyped-def]
        return numba.types.void(x, panel, out, row, column), _writer(rows)

    return multiply


def _writer(rows: int) -> Any:
    def write(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        x, panel, out = (context.make_array(t)(context, builder, a) for t, a in zip(signature.args, arguments[:3], strict=False))
        row, column = arguments[3:]
        vector, index = ir.VectorType(ir.FloatType(), LANES), row.type
        inputs, width = builder.extract_value(x.shape, 1), builder.extract_value(out.shape, 1)

        def vectors(address):  # type: ignore[no-untyped-def]
            places = [builder.gep(address, [index(LANES * i)]) for i in range(2)]
            return [builder.bitcast(place, vector.as_pointer()) for place in places]

        numbers = [builder.add(row, index(i)) for i in range(rows)]
        starts = [builder.gep(x.data, [builder.mul(number, inputs)]) for number in numbers]
        sums = [[cgutils.alloca_once(builder, vector) for _ in range(2)] for _ in range(rows)]
        for place in (place for pair in sums for place in pair):
            builder.store(ir.Constant(vector, [0.0] * LANES), place)
        with cgutils.for_range(builder, inputs) as loop:
            weights = [
                builder.load(v, align=4) for v in vectors(builder.gep(panel.data, [builder.mul(loop.index, index(PANEL))]))
            ]
            for start, pair in zip(starts, sums, strict=True):
                value = _everywhere(builder, vector, builder.load(builder.gep(start, [loop.index])))
                for weight, place in zip(weights, pair, strict=True):
                    builder.store(builder.fadd(builder.fmul(value, weight), builder.load(place)), place)
        for number, pair in zip(numbers, sums, strict=True):
            target = builder.gep(out.data, [builder.add(builder.mul(number, width), column)])
            for place, found in zip(vectors(target), pair, strict=True):
                builder.store(builder.load(found), place, align=4)
        return context.get_dummy_value()

    return write


def _everywhere(builder, vector, value):  # type: ignore[no-untyped-def]
    """A vector that holds one number in every place."""
    nothing, whole = ir.Constant(vector, ir.Undefined), ir.IntType(32)
    return builder.shuffle_vector(
        builder.insert_element(nothing, value, whole(0)),
        nothing,
        ir.Constant(ir.VectorType(whole, vector.count), [0] * vector.count),
    )


_one, _two, _three, _four = (_tile(rows) for rows in (1, 2, 3, 4))


@compiled
def _column(x, panel, out, column):
    rows, row = len(x), 0
    while row + 4 <= rows:
        _four(x, panel, out, row, column)
        row += 4
    if rows - row == 3:
        _three(x, panel, out, row, column)
    elif rows - row == 2:
        _two(x, panel, out, row, column)
    elif rows - row == 1:
        _one(x, panel, out, row, column)


@compiled
def product(x, weight, out):
    """x (rows, inputs) times `panels` of a matrix (inputs, outputs), into out (rows, outputs); all contiguous float32."""
    outputs = out.shape[1]
    for i in range(len(weight)):
        begin = i * PANEL
        if begin + PANEL <= outputs:
            _column(x, weight[i], out, begin)
        else:
            edge = np.empty((len(x), PANEL), F32)
            _column(x, weight[i], edge, 0)
            out[:, begin:] = edge[:, : outputs - begin]
