#!/usr/bin/env bash
# Measure gmt beside its rivals on real people's votes and write the tables of docs/results.md.
# Usage: GMT_REAL_DATA=folder benchmarks/real_votes.sh [OUT] [SETS] [PROTOCOLS] [SEEDS] [CONFIG]
#   e.g. benchmarks/real_votes.sh bench "llmfao mtbench" "seen new-users" "0 1 2 3 4" default
# The folder holds llmfao/ and mtbench_human/; the README says where each is downloaded.
set -euo pipefail
data=${GMT_REAL_DATA:?set GMT_REAL_DATA to the folder with llmfao/ and mtbench_human/}
out=${1:-bench} sets=${2:-llmfao mtbench} protocols=${3:-seen new-users} seeds=${4:-0 1 2 3 4} config=${5:-default}
gmt=${GMT:-gmt} baselines=${BASELINES:-all}

prep() { # set, protocol, seed, folder
  case $1 in
    llmfao) "$gmt" prep votes "$data/llmfao/crowd-comparisons.csv" --user worker --winner winner --model-a left \
      --model-b right --labels left,right,tie --query text --question prompt --task prompts.type \
      --response-a a.result --response-b b.result --join "$data/llmfao/prompts.jsonl:id=prompt" \
      --join "a=$data/llmfao/results.jsonl:prompt=prompt,name=left" \
      --join "b=$data/llmfao/results.jsonl:prompt=prompt,name=right" \
      --protocol "$2" --seed "$3" --out "$4" --quiet ;;
    mtbench) "$gmt" prep mt-bench "$data/mtbench_human" --protocol "$2" --seed "$3" --out "$4" --quiet ;;
  esac
}

for set in $sets; do
  for protocol in $protocols; do
    runs=()
    for seed in $seeds; do
      folder=$out/data/$set-$protocol-$seed run=$out/runs/$config/$set-$protocol-$seed
      [ -f "$folder/card.json" ] || prep "$set" "$protocol" "$seed" "$folder"
      if [ ! -f "$run/results/$protocol.json" ]; then
        "$gmt" train "$folder" --run "$run" --config "configs/$config.yaml" --seed "$seed"
        "$gmt" eval --run "$run" --seed "$seed" --baselines "$baselines" --quiet >"$run.txt"
      fi
      runs+=("$run")
    done
    "$gmt" summary "${runs[@]}" --out "$out/tables/$config-$set-$protocol.md"
  done
done
