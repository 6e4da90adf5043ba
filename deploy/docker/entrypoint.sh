#!/bin/sh
# Every service brings the database to what the image asks for before it starts: under a lock, and once it is so, in a second.
set -eu
streamflow --quiet migrate
exec "$@"
