#!/usr/bin/env bash
# Measure gmt beside its rivals on planted people, whose best router is known, and write summaries.
# Usage: benchmarks/planted.sh [OUT] [PEOPLE] [SEEDS] [CONFIG]
#   e.g. benchmarks/planted.sh bench/planted "200 1000" "0 1 2 3 4" default
set -euo pipefail
out=${1:-bench/planted} people=${2:-200 1000} seeds=${3:-0 1 2 3 4} config=${4:-default}
gmt=${GMT:-gmt} baselines=${BASELINES:-bradley_terry,user_bradley_terry,hierarchical_bradley_terry,low_rank,factorisation_machine,knn}

for count in $people; do
  runs=()
  for seed in $seeds; do
    rows=$out/rows/$count-$seed.jsonl folder=$out/data/$count-$seed run=$out/runs/$config/$count-$seed
    [ -f "$rows" ] || "$gmt" simulate planted --users "$count" --seed "$seed" --out "$rows" --quiet
    [ -f "$folder/card.json" ] || "$gmt" prep jsonl "$rows" --models "${rows%.jsonl}.models.json" --seed "$seed" \
      --out "$folder" --quiet
    if [ ! -f "$run/results/seen.json" ]; then
      "$gmt" train "$folder" --run "$run" --config "configs/$config.yaml" --seed "$seed"
      "$gmt" eval --run "$run" --seed "$seed" --baselines "$baselines" --quiet >"$run.txt"
    fi
    runs+=("$run")
  done
  mkdir -p "$out/tables"
  "$gmt" summary "${runs[@]}" --out "$out/tables/$config-$count.md"
done
