"""Exports a trained model to files that need nothing of this package.

  python -m launch.export --workdir=DIR --out=DIR

--out gets three files:

  model.stablehlo      images of any size in (uint8 RGB), labels and entropy out
  weights.safetensors  for --config.model.weights=FILE, and other frameworks
  model.json           classes, colours, what goes in and out, scores, versions

The first needs jax and flatbuffers alone, on a CPU, GPU or TPU:

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
