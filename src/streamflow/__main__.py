"""`python -m streamflow` and the command `streamflow`."""

from streamflow.cli.app import main

if __name__ == "__main__":
    main()
