#!/usr/bin/env bash
# Build the image and push it to Amazon ECR, or to another registry, so that SageMaker can use it.
#
#   ./build_and_push.sh IMAGE_NAME[:TAG]
#
# Environment:
#   REGISTRY     host[:port] to push to, with a login that Docker already has;
#                unset: the ECR registry of the account and region that the AWS CLI is configured for
#   AWS_REGION   unset: the AWS CLI's configured region, or us-west-2
set -euo pipefail

image=${1:-}
if [[ -z $image || $# -gt 1 ]]; then
  echo "usage: $0 IMAGE_NAME[:TAG]" >&2
  exit 2
fi
[[ $image == *:* ]] || image=$image:latest
cd "$(dirname "$0")"

log_in_to_ecr() {
  local region=$1
  aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "$REGISTRY"
}

create_ecr_repository_if_missing() {
  local region=$1 repository=$2
  aws ecr describe-repositories --region "$region" --repository-names "$repository" >/dev/null 2>&1 ||
    aws ecr create-repository --region "$region" --repository-name "$repository" >/dev/null
}

if [[ -z ${REGISTRY:-} ]]; then
  region=${AWS_REGION:-$(aws configure get region || echo us-west-2)}
  account=$(aws sts get-caller-identity --query Account --output text)
  domain=amazonaws.com
  [[ $region != cn-* ]] || domain=amazonaws.com.cn
  REGISTRY=$account.dkr.ecr.$region.$domain
  create_ecr_repository_if_missing "$region" "${image%:*}"
  log_in_to_ecr "$region"
fi

# SageMaker runs linux/amd64, and refuses the image index that an attestation makes of an image.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
docker build --platform linux/amd64 --tag "$image" .
docker tag "$image" "$REGISTRY/$image"
docker push "$REGISTRY/$image"
echo "Pushed $REGISTRY/$image"
