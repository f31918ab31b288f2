#!/usr/bin/env bash
# Run the image as a SageMaker training job would, with test_dir as /opt/ml.
#
#   ./train_local.sh IMAGE
set -euo pipefail

image=${1:?usage: train_local.sh IMAGE}
cd "$(dirname "$0")"

mkdir -p test_dir/model test_dir/output
rm -rf test_dir/model/* test_dir/output/*
docker run --rm --volume "$PWD/test_dir:/opt/ml" "$image" train
