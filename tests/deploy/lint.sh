#!/bin/sh
# Builds the manifests with kustomize and loads the compose file with Docker's own library (make check); build/tools holds both.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
tools="$root/build/tools"
mkdir -p "$tools"
cd "$root/tests/deploy/tools"
[ -x "$tools/kustomize" ] || { echo "check: building kustomize" && ${GO:-go} build -o "$tools/kustomize" sigs.k8s.io/kustomize/kustomize/v5; }
[ -x "$tools/compose" ] || { echo "check: building compose" && ${GO:-go} build -o "$tools/compose" github.com/compose-spec/compose-go/v2/cmd; }
cd "$root/deploy"
kinds() { "$tools/kustomize" build "$1" | sed -n 's/^kind: //p' | sort | tr '\n' ' '; }
[ "$(kinds kubernetes)" = "Deployment HorizontalPodAutoscaler PodDisruptionBudget Service " ] || { echo "deploy/kubernetes: $(kinds kubernetes)" >&2; exit 1; }
[ "$(kinds kubernetes-keda)" = "Deployment PodDisruptionBudget ScaledObject Service " ] || { echo "deploy/kubernetes-keda: $(kinds kubernetes-keda)" >&2; exit 1; }
"$tools/compose" container/compose.yaml >/dev/null
