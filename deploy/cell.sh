#!/bin/sh
# Train one cell on any node that sees this folder: in a clone of its own, with the data from the DVC
# remote, and with the result into its run cache. As an array of SLURM:
#
#   dvc push --run-cache
#   dvc stage list --name-only | grep '^train@' > cells.txt
#   sbatch --wait --array=1-$(wc -l < cells.txt) deploy/cell.sh
#   dvc fetch --run-cache && dvc repro --pull
#
# The last command trains nothing that a node has trained. Without SLURM:
# SLURM_ARRAY_TASK_ID=1 sh deploy/cell.sh
#SBATCH --job-name=spotlight
#SBATCH --cpus-per-task=2
#SBATCH --mem=6G
#SBATCH --requeue
set -eu
project=${SLURM_SUBMIT_DIR:-$PWD}
cell=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$project/cells.txt")
clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT

git clone -q "$project" "$clone"
# Changes that are not committed, such as those of params.yaml and dvc.lock, count too.
git -C "$project" diff --binary HEAD | git -C "$clone" apply --allow-empty
[ ! -f "$project/.dvc/config.local" ] || cp "$project/.dvc/config.local" "$clone/.dvc/"
cd "$clone"
PATH=$project/.venv/bin:$PATH
dvc pull --allow-missing
python -m pipeline cell "$cell"   # its checkpoints, too, go to the remote
