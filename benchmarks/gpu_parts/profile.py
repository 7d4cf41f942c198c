"""Where a detect and a training step spend their time, and the least they could take.

    python -m benchmarks.gpu_parts.profile FRAMEWORK PRECISION QUICK(0 or 1) ANSWER.txt

The roofline: for every layer the larger of its FLOP over the measured rate of the matrix product
and its bytes over the measured bandwidth, summed by part. No version that runs layer by layer is
faster than the sum.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks import flops
from benchmarks.gpu_parts.cases import QUICK_SIZES, SIZES, Case
from benchmarks.gpu_parts.devices import ceilings, device_of

LINES = 25
BYTES = {"float32": 4, "tf32": 4, "bfloat16": 2}
TRAINING_FACTOR = 3  # forward, and two products as large behind it


def floors(work, rates, precision):
    """{part: (TFLOP, GB, seconds at least)} of a list of flops.Work."""
    found = {}
    for one in work:
        moved = one.numbers * BYTES[precision]
        least = max(one.flops / rates[precision], moved / rates["bytes"])
        flop, size, time = found.get(one.part, (0.0, 0.0, 0.0))
        found[one.part] = flop + one.flops / 1e12, size + moved / 1e9, time + least
    return found


def roofline(work, rates, precision, batch):
    """The floors as a text."""
    parts = floors(work, rates, precision)
    parts["all"] = tuple(sum(part[i] for part in parts.values()) for i in range(3))
    lines = [f"roofline of the forward pass, batch {batch}, {precision}: "
             f"{rates[precision] / 1e12:.3g} TFLOP/s, {rates['bytes'] / 1e9:.4g} GB/s measured"]
    lines += [f"  {name:20} {flop:8.3g} TFLOP {size:8.3g} GB {1e3 * least:9.3g} ms"
              for name, (flop, size, least) in parts.items()]
    step = TRAINING_FACTOR * parts["all"][2]
    lines.append(f"  a training step on as many rois: about {TRAINING_FACTOR} times, "
                 f"{1e3 * step:.3g} ms")
    return "\n".join(lines)


def torch_summary(run):
    """torch.profiler's table of one call, the longest first."""
    import torch

    activities = [torch.profiler.ProfilerActivity.CPU]
    key = "self_cpu_time_total"
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
        key = "self_cuda_time_total"
    with torch.profiler.profile(activities=activities) as seen:
        run()
    return seen.key_averages().table(sort_by=key, row_limit=LINES, max_name_column_width=60)


def jax_summary(run):
    """The longest operations of one call, out of the trace that JAX writes."""
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run()
        path, = Path(folder).rglob("*.xplane.pb")
        planes = list(jax.profiler.ProfileData.from_file(str(path)).planes)
        return events_table(planes)


def events_table(planes):
    """Names and milliseconds of the events on the devices, or on the host's compute threads.

    A device's other lines tell the same time again, by module and by step.
    """
    on_device = [plane for plane in planes if plane.name.startswith("/device:")]
    word = "Stream" if on_device else "XLA"
    spent, calls = Counter(), Counter()
    for event in (event for plane in on_device or planes for line in plane.lines
                  if word in line.name for event in line.events):
        spent[event.name] += event.duration_ns / 1e6
        calls[event.name] += 1
    whole = sum(spent.values())
    lines = [f"{whole:.3g} ms in {sum(calls.values())} events"]
    lines += [f"  {ms:9.3f} ms {ms / max(whole, 1e-9):6.1%} {calls[name]:6} x {name[:90]}"
              for name, ms in spent.most_common(LINES)]
    return "\n".join(lines)


def inputs_of(model, case):
    """The network's inputs for one image of the case."""
    from benchmarks.gpu_parts.ours import images_of

    molded, metas, _ = model.mold_inputs(images_of(case)[:1])
    anchors = model.get_anchors(molded.shape[1:])[np.newaxis]
    return [np.asarray(x, np.float32) for x in (molded, metas, anchors)]


def report(framework, precision, quick):
    """The whole text: rates, roofline, and the longest operations of both kinds of work."""
    from benchmarks.gpu_parts import ours

    device = device_of(framework)
    rates = ceilings(device, quick)
    device.set_precision(precision)
    height, width = (QUICK_SIZES if quick else SIZES)[0]
    summary = jax_summary if framework == "jax" else torch_summary
    case = Case(framework, "inference", precision, 1, height, width)
    model = ours.detector(precision, quick)
    texts = [f"{device.describe()}; {framework}, {precision}",
             roofline(flops.count(model.keras_model, inputs_of(model, case)), rates, precision, 1)]
    for name, way in ours.inference_ways(model, case).items():
        way()
        texts += [f"{name}, batch 1", summary(way)]
    case = Case(framework, "training", precision, 2, height, width)
    trained = ours.trainer(precision, case, quick)
    batch = ours.TrainingFeed(ours.scenes(case, trained.config.NUM_CLASSES), trained.config)[0]
    trained.keras_model.train_on_batch(batch)
    texts += ["training step, batch 2",
              summary(lambda: trained.keras_model.train_on_batch(batch))]
    return "\n\n".join(texts)


def main():
    """Writes the text."""
    framework, precision, quick, path = sys.argv[1:5]
    Path(path).write_text(report(framework, precision, quick == "1"), encoding="utf-8")


if __name__ == "__main__":
    main()
