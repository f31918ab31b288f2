#!/usr/bin/env bash
# Send a file to the server that serve_local.sh started.
#
#   ./predict.sh [PAYLOAD [CONTENT_TYPE]]
#
# Environment:
#   PORT   the port that serve_local.sh was given; unset: 8080
set -euo pipefail

payload=${1:-$(dirname "$0")/payload.csv}
content_type=${2:-text/csv}

curl --silent --show-error --fail-with-body --data-binary "@$payload" --header "Content-Type: $content_type" \
  "http://localhost:${PORT:-8080}/invocations"
