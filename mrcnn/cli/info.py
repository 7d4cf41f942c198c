"""`mrcnn info`: what is installed here, and what is in a checkpoint?"""

import json

import click

from mrcnn.cli.doors import clear_errors

EPILOG = """\b
Examples:
  mrcnn info                               versions, devices, extras
  mrcnn info logs/fruit20260131T0930       the newest checkpoint of a run
  mrcnn info mask_rcnn_coco.h5             a file of Matterport's
  mrcnn info logs --json | jq .classes
"""


@click.command(epilog=EPILOG)
@click.argument("model", required=False, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
def info(model, as_json):
    """Tells what is installed, or what MODEL is: a checkpoint, the folder of a run, or coco.

    Of a checkpoint: its classes, network, image size, epoch and losses, the settings that differ
    from the default, and the versions that wrote it. The model itself is not opened.
    """
    with clear_errors():
        from mrcnn.commands import info as work

        facts = work.installation_facts() if model is None else work.model_facts(model)
        if as_json:
            click.echo(json.dumps(facts, indent=2))
            return
        lines = work.installation_lines(facts) if model is None else work.model_lines(facts)
        for name, text in lines:
            click.echo(f"{name:>11}  {text}".rstrip())
