"""The entry point of `python -m streamflow`, which is the same as the command `streamflow`."""

from streamflow.cli.app import main

if __name__ == "__main__":
    main()
