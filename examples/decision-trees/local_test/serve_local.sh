#!/usr/bin/env bash
# Run the image as a SageMaker endpoint would, with the model that train_local.sh left in test_dir.
#
#   ./serve_local.sh IMAGE
#
# Environment:
#   PORT   port on this machine; unset: 8080
set -euo pipefail

image=${1:?usage: serve_local.sh IMAGE}
cd "$(dirname "$0")"

exec docker run --rm --volume "$PWD/test_dir/model:/opt/ml/model:ro" --publish "${PORT:-8080}:8080" "$image" serve
