"""The page of `mrcnn inspect`: HTML that needs no other file, and the chart on it."""

import io

import numpy as np

JPEG, PNG = "jpeg", "png"

TEMPLATE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}: what was read</title>
<style>
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fff; --line: #d8dce0;
        --quiet: #5c6670; --bar: #2b7bba; --wrong: #b3243f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --paper: #16191c; --line: #3a4046; --quiet: #a0a8b0; --wrong: #ff8095; }
}
body { margin: 0 auto; padding: 1.5rem; max-width: 90rem; background: var(--paper);
       color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.3rem 0 .3rem; overflow-wrap: anywhere; }
p { max-width: 60rem; margin: .3rem 0; }
.quiet, figcaption { color: var(--quiet); } .wrong { color: var(--wrong); }
figure { margin: 0; } figcaption { font-size: 13px; max-width: 640px; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.row img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
.row.wide figure { width: 960px; max-width: 100%; } .row.wide img { width: 100%; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem; margin: .6rem 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; overflow-wrap: anywhere; max-width: 24rem; }
.bar { display: block; height: .8em; min-width: 1px; background: var(--bar); }
td.bars { width: 16rem; text-align: left; }
</style></head><body>
<h1>{{ title }}: what was read</h1>
<dl>{% for name, text in facts %}<dt>{{ name }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
{% for text in problems %}<p class="wrong">{{ text }}</p>{% endfor %}

<h2>Samples</h2>
<p class="quiet">Do the masks lie on the objects, has each object its own, are the names right?
The network's image shows whether small objects survive the resizing.
{% if detected %}A detection has the colour of the object that it meets (mask IoU of 0.5), and
is white where it meets none.{% endif %}</p>
{% for sample in samples %}
<h3>{{ sample.name }}</h3>
{% if sample.fault %}<p class="wrong">{{ sample.fault }}</p>{% endif %}
<div class="row">{% for address, caption in sample.panels %}
<figure><img src="{{ address }}" alt="{{ caption }}"><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}</div>
{% endfor %}

{% if anchors %}<h2>Anchors</h2>
<p class="quiet">Training tells the proposal network that these anchors are objects. An object
without a close anchor is hard to learn.</p>
<div class="row wide"><figure><img src="{{ anchors[0] }}" alt="positive anchors">
<figcaption>{{ anchors[1] }}</figcaption></figure></div>{% endif %}

{% if sizes %}<h2>Sizes</h2>
<p class="quiet">Sides of the objects in the network's pixels, beside the sides of the anchors
(RPN_ANCHOR_SCALES). Both should cover the same range.</p>
<div class="row wide"><figure><img src="{{ sizes }}" alt="sizes of objects and anchors">
</figure></div>{% endif %}

{% if masks %}<h2>Mini-masks</h2>
<p class="quiet">Training keeps each mask at {{ mini_shape }} (MINI_MASK_SHAPE). Of the objects
above, these lose most: the mask, the mini-mask, and what comes back. {{ masks_text }}</p>
<div class="row">{% for address, caption in masks %}
<figure><img src="{{ address }}" alt="{{ caption }}"><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}</div>{% endif %}

<h2>Classes</h2>
<table><thead><tr><th>class</th><th>objects</th><th>crowds</th><th>images</th><th></th></tr></thead>
<tbody>{% for row in classes %}<tr><th>{{ row.name }}</th><td>{{ row.instances }}</td>
<td>{{ row.crowds }}</td><td>{{ row.images }}</td>
<td class="bars"><span class="bar" style="width:{{ row.share }}%"></span></td></tr>
{% endfor %}</tbody></table>
</body></html>
"""


def page(**values):
    """The HTML text; `values` are what TEMPLATE names."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE).render(**values)


def encoded(picture, kind=JPEG):
    """[h, w, 3] uint8 as the bytes of a JPEG or PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    options = {"quality": 88} if kind == JPEG else {"optimize": True}
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def size_chart(sides, scales):
    """A histogram of the objects' sides with the anchors' sides marked, as bytes of a PNG.

    Args:
        sides: [N] sqrt(width x height) of the objects in network pixels, N at least 1.
        scales: sides of the anchors.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained", facecolor="white")
    ax = figure.add_subplot()
    low = np.floor(np.log2(max(min(sides.min(), min(scales)), 1)) * 2) / 2
    high = np.ceil(np.log2(max(sides.max(), max(scales))) * 2) / 2 + 0.5
    ax.hist(sides, bins=2 ** np.arange(low, high + 0.01, 0.5), color="#2b7bba", alpha=0.8)
    for scale in scales:
        ax.axvline(scale, color="#d1495b", linewidth=2)
    ax.plot([], [], color="#d1495b", linewidth=2, label="anchors")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set(xlabel="side in network pixels", ylabel="objects", xlim=(2**low, 2**high))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
