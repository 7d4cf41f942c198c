"""This machine's matrix product in float32 and bfloat16: the measure of the network's speed."""

from benchmarks.measuring import matrix_product, matrix_side, paired, row

PART = "matrix product"


def rows(options):
    """Rates of both types, measured in turn."""
    side = matrix_side(options.quick)
    ways = {dtype: matrix_product(side, dtype) for dtype in ("float32", "bfloat16")}
    times = paired({dtype: run for dtype, (run, _) in ways.items()}, options.rounds)
    rates = {dtype: ways[dtype][1] / times[dtype] / 1e9 for dtype in ways}
    return [
        row(PART, f"{dtype}, {side} x {side}", rates[dtype], "GFLOP/s",
            rates[dtype] / rates["float32"], "float32")
        for dtype in rates
    ]
