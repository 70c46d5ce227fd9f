#!/bin/sh
# How the card in this folder was made, from the root of a checkout (.venv/bin in PATH).
set -e

# two policies: five demonstrations a task, imitated for 100 and for 300 steps
mkdir -p runs/card-policies
python - <<'EOF'
from dataclasses import replace

from octoworld.core.config import save_config
from octoworld.recipes.worldenv import profile

demo = profile("demo")
for steps in (100, 300):
    sft = replace(demo.sft, fit=replace(demo.sft.fit, steps=steps))
    save_config(replace(demo, sft=sft), f"runs/card-policies/sft-{steps}.yaml")
EOF
for steps in 100 300; do
    octoworld worldenv --config "runs/card-policies/sft-$steps.yaml" --until sft --out "runs/card-policies/sft-$steps"
done

# 2 policies x 3 temperatures x 4 tasks, 40 starts each from seed 13,000,000 on
octoworld worldmodel eval assets/checkpoints/tabletop --card \
    --policies runs/card-policies/sft-100/checkpoints/sft runs/card-policies/sft-300/checkpoints/sft \
    --temperatures 0 1 2 --episodes 40 --num-envs 40 --out runs/worldmodel-card
cp runs/worldmodel-card/card.json runs/worldmodel-card/card.md runs/worldmodel-card/card.png results/worldmodel-card/
