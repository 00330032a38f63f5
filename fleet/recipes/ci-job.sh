#!/bin/sh
# One job of any CI. `ci-job.sh check` in a checkout of the operations repository: validate and plan, nothing is touched.
# `ci-job.sh converge OPS` on the trading host, OPS being the operations clone: passes until the fleet is as declared.
# Exit codes: 0 as declared, 3 invalid, 4 something failed, 6 another mmfleet was at work (run it again); see the README.
set -eu
case "${1:-}" in
  check)
    # Secrets are on the trading host only.
    mmfleet validate --skip-secrets
    # Checkouts of CI systems are often detached; a plan wants a branch.
    git symbolic-ref --quiet HEAD > /dev/null || git switch --quiet -C proposed
    mmfleet plan --worktree --skip-secrets
    ;;
  converge)
    ops=${2:?'usage: ci-job.sh converge OPS'}
    # Many CI systems end what a job leaves behind by such marks; the bots are to live on.
    unset JENKINS_NODE_COOKIE BUILD_ID RUNNER_TRACKING_ID
    tries=3
    while :; do
      code=0
      mmfleet -C "$ops" reconcile --once --allow-held --timeout 10m || code=$?
      tries=$((tries - 1))
      [ "$code" -eq 6 ] && [ "$tries" -gt 0 ] || exit "$code"
      sleep 2
    done
    ;;
  *)
    echo "usage: ci-job.sh check | ci-job.sh converge OPS" >&2
    exit 3
    ;;
esac
