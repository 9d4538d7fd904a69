"""Exports a trained model to files that do not need this package.

  python -m launch.export --workdir=DIR --out=DIR

--out gets three files:

  model.stablehlo      uint8 RGB images of any size -> labels and entropy
  weights.safetensors  for --config.model.weights=FILE and other frameworks
  model.json           classes, colours, inputs and outputs, scores, versions

model.stablehlo needs only jax and flatbuffers, on a CPU, GPU or TPU:

  from jax import export
  model = export.deserialize(open('model.stablehlo', 'rb').read())
  labels, entropy = model.call(images)  # [B, H, W, 3] -> [B, H, W], [B, H, W]
"""

from pointsup_jax import command
from pointsup_jax.hosts import progress
from pointsup_jax.prediction import flags as trained
from pointsup_jax.prediction import standalone


def main() -> None:
  """Exports the model."""
  out = trained.out()
  standalone.require_free(out, overwrite=trained.OVERWRITE.value)
  model, size = trained.load()
  standalone.write(model, size, out)
  progress.say(f'exported to {out}: {", ".join(standalone.FILES)}')


if __name__ == '__main__':
  command.run(main)
