"""`python -m streamflow.cli.schedule SECONDS FLAGS`: keeps the inbox's schedule; `inbox --every` runs it on a tether."""

import json
import sys

if __name__ == "__main__":
    from streamflow.flows import serve_inbox

    serve_inbox(int(sys.argv[1]), json.loads(sys.argv[2]))
