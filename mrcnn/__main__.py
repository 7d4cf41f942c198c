"""`python -m mrcnn`: the command line."""

from mrcnn.cli import main

if __name__ == "__main__":
    main(prog_name="mrcnn")
