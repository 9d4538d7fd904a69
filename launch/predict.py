"""Predicts images with a trained model.

  python -m launch.predict --workdir=DIR IMAGES... --out=DIR

IMAGES are files, folders (searched recursively) and quoted patterns such as
'drive/**/*.jpg'. --out gets, at each image's relative path and size:

  labels/    PNG of class numbers, in the order of classes.json beside it, with
             a palette: viewers show colours, Pillow reads the numbers;
             --label_ids gives the ids of label files, as benchmarks take them
  overlays/  the image overlaid with the colours of its classes (legend.png)
  entropy/   8-bit grey PNG; 0 is certain, 255 is all classes equally likely

and images.jsonl with the mean entropy (0 to 1) of each image. World files and
the coordinates of GeoTIFFs are carried over. The same command
continues, and predicts changed images again. Results of another image or model
are replaced only with --overwrite. Unreadable files are listed at the end, the
others are predicted, and the exit code is 1.
"""

from collections.abc import Sequence

from absl import flags

from pointsup_jax import command, errors
from pointsup_jax.hosts import progress, stopping
from pointsup_jax.prediction import flags as trained
from pointsup_jax.prediction import folder, inputs, predicting, segmenting

_TTA = flags.DEFINE_bool(
  'tta',
  False,
  'Average over scales 1 and 1.25 and left-right flips: four passes.',
)
_TILES = flags.DEFINE_bool(
  'tiles',
  False,
  'Show the network every image at its own resolution, in overlapping tiles of '
  '--size, instead of resizing it: for large images, and models trained on '
  'crops of them.',
)
_BATCH_SIZE = flags.DEFINE_integer(
  'batch_size',
  None,
  'Images in a forward pass; config.evaluate.batch_size if not given.',
  lower_bound=1,
)
_LABEL_IDS = flags.DEFINE_bool(
  'label_ids',
  False,
  "Write the ids of the target's label files (Cityscapes: 7 for road) to "
  'labels/, not class numbers.',
)


def main(operands: Sequence[str]) -> None:
  """Predicts the images given on the command line."""
  out = trained.out()
  if not operands:
    raise errors.UsageError('name images, folders or patterns; see --help')
  stopping.install()
  command.use_compilation_cache()
  pictures, problems = inputs.find(operands, out)
  if not pictures:
    raise errors.UsageError('; '.join(problems))
  model, size = trained.load()
  views = segmenting.augmented(size) if _TTA.value else segmenting.plain(size)
  tile = size if _TILES.value else None
  if trained.OVERWRITE.value:
    folder.clear(out)
  about = predicting.about(model, views, label_ids=_LABEL_IDS.value, tile=tile)
  made = folder.Folder(out, about, model.classes)
  left = made.left_to_do(pictures)
  if len(left) < len(pictures):
    progress.say(f'{len(pictures) - len(left)} images: done before')
  problems += predicting.run(
    model,
    left,
    made,
    views=views,
    batch_size=_BATCH_SIZE.value or model.run.config.evaluate.batch_size,
    tile=tile,
  )
  for problem in problems:
    progress.say(f'not predicted: {problem}')
  if problems:
    raise errors.UserError(
      f'{len(problems)} inputs could not be read (listed above); the other '
      f'images are in {out}'
    )
  progress.say(f'{len(pictures)} images in {out}')


if __name__ == '__main__':
  command.run_on(main)
