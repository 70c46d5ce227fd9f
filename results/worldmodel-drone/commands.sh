# Regenerates eval.json, eval.md and assets/pictures/worldmodel-drone.{png,mp4} (film.png, film.mp4): a world model of a
# drone's forward camera. The stored run was begun with --steps 700 and shortened to 350 at step 200, so its learning rate
# was higher until there: a run by these commands ends near it, not at its bits.
octoworld collect FlyThroughGate --out data/flights --episodes 140 --num-envs 20 --cameras front --noise 0.2 --first-seed 1000000
octoworld collect FlyThroughGate --out data/flights-held-out --episodes 20 --num-envs 20 --cameras front --noise 0.2 --first-seed 2000000
octoworld worldmodel train data/flights --out runs/worldmodel-drone --steps 350 --batch-size 16 --set \
  autoencoder.width=16 autoencoder_fit.steps=600 autoencoder_fit.batch_size=32 \
  worldmodel.model.dim=128 worldmodel.model.layers=3 worldmodel.model.heads=4 worldmodel.model.cell_width=32 \
  worldmodel.model.state_hidden=192 worldmodel.model.state_layers=2 worldmodel.state.steps=600 worldmodel.state.batch_size=64 \
  worldmodel.fit.checkpoint_every=100 worldmodel.polish.steps=0
octoworld worldmodel eval runs/worldmodel-drone data/flights-held-out --starts 32 --films 3 --film-start 24
