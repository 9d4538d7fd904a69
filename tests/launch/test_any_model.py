"""The loop with somebody else's model: predictions in, answers, masks out."""

import csv
import json
import pathlib

import folders
import numpy as np
import pytest
from launching import CAMVID, assert_refused, launch, succeed, tiny
from outcome import query, scores, truth
from PIL import Image

from pointsup_jax.data import classes as kinds
from pointsup_jax.data import folders as names_of

torch = pytest.importorskip('torch', reason='PyTorch is not installed')
pytestmark = pytest.mark.slow

PHOTO, SIZE, IMAGES = (96, 192), (48, 96), 8
CLASSES = ('a', 'b', 'c')


class Photos(torch.utils.data.Dataset):
  """A plain data set of PyTorch: images, and PNGs of the same names."""

  def __init__(self, images: pathlib.Path, masks: pathlib.Path) -> None:
    self.images, self.masks = images, masks
    self.names = (masks / 'masks.txt').read_text().splitlines()

  def __len__(self):
    return len(self.names)

  def __getitem__(self, index):
    name = self.names[index]
    image = np.array(Image.open(self.images / f'{name}.png'))
    mask = np.array(Image.open(self.masks / f'{name}.png'))
    return torch.from_numpy(image).permute(2, 0, 1) / 255, torch.from_numpy(
      mask
    ).long()


def network():
  torch.manual_seed(0)
  return torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 5, stride=4, padding=2),
    torch.nn.ReLU(),
    torch.nn.Conv2d(8, len(CLASSES), 3, padding=1),
  )


def predict(model, root, out):
  """Writes half-precision logits, classes first, a quarter of the size."""
  for split in ('dusk_train', 'dusk_test'):
    for path in names_of.find_images(root, split).values():
      image = torch.from_numpy(np.array(Image.open(root / path)))
      with torch.no_grad():
        logits = model(image.permute(2, 0, 1)[None] / 255)
      name = pathlib.Path(path).relative_to('images').with_suffix('.npy')
      (out / name).parent.mkdir(parents=True, exist_ok=True)
      np.save(out / name, logits.half().numpy())
  about = {'kind': 'logits', 'classes': CLASSES}
  (out / 'predictions.json').write_text(json.dumps(about))


def learn(model, data, steps=20):
  """Trains on the masks; returns the loss before and after."""
  optimizer = torch.optim.Adam(model.parameters(), 0.01)
  losses = []
  for _ in range(steps):
    total = torch.zeros(())
    for image, mask in torch.utils.data.DataLoader(data, batch_size=4):
      logits = torch.nn.functional.interpolate(
        model(image), size=mask.shape[1:], mode='bilinear', align_corners=True
      )
      total = total + torch.nn.functional.cross_entropy(
        logits, mask, ignore_index=255
      )
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    losses.append(total.item())
  return losses[0], losses[-1]


def command(root, predictions, workdir):
  return (
    *CAMVID, f'--config.data.root={root}',
    '--config.data.source.dataset=', f'--config.data.target.size={SIZE}',
    f'--config.data.evaluation.size={SIZE}',
    f'--config.uda.predictions={predictions}',
    '--config.uda.source_only_steps=0', '--config.annotate.oracle=file',
    '--config.acquire.k=25', f'--workdir={workdir}',
  )  # fmt: skip


def answer(workdir, root, file):
  """Answers the open points as the labels have them; returns the points."""
  exchange = (f'--workdir={workdir}', '--format=csv')
  succeed(*exchange, f'--export={file}', program='exchange')
  with file.open() as text:
    rows = list(csv.DictReader(text))
  for i, row in enumerate(rows):
    image, y, x = row['id'].rsplit('-', 2)
    labels = np.asarray(Image.open(root / f'labels/{image}.png'))
    # Twice the size: the answered pixel's centre is a corner of four.
    label = labels[2 * int(y[1:]) + 1, 2 * int(x[1:]) + 1]
    row['label'] = 'void' if label == 255 else CLASSES[label]
    row['annotator'] = 'ana'
    if i % 50 == 0:
      row['label'] = 'unsure'
  with file.open('w') as text:
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
  succeed(*exchange, f'--import={file}', program='exchange')
  return rows


def test_predictions_go_in_and_masks_come_out(tmp_path):
  root = folders.three_classes(tmp_path / 'photos', IMAGES, PHOTO)
  model = network()
  predict(model, root, tmp_path / 'one')
  first = command(root, tmp_path / 'one', tmp_path / 'run_1')
  assert_refused(launch(*first), 3, '200 of 200 labels')
  rows = answer(tmp_path / 'run_1', root, tmp_path / 'one.csv')
  assert len(rows) == 200
  done = succeed(*first)
  assert 'UDA (predictions)' in done.stdout
  assert scores(tmp_path / 'run_1', 'uda-dusk_test')['images'] == IMAGES
  report = (tmp_path / 'run_1/report/index.html').read_text()
  assert 'another model' in report
  assert 'no checkpoint' not in report

  masks = tmp_path / 'masks'
  export = (
    f'--workdir={tmp_path / "run_1"}', '--format=masks', f'--export={masks}',
    f'--images={root / "images"}',
  )  # fmt: skip
  succeed(*export, program='exchange')
  assert_refused(launch(*export, program='exchange'), 2, 'exists')
  data = Photos(root / 'images', masks)
  left = {name: mask.clone() for name, (_, mask) in zip(
    data.names, data, strict=True)}  # fmt: skip
  assert {mask.shape for mask in left.values()} == {PHOTO}
  for row in rows:
    image, y, x = row['id'].rsplit('-', 2)
    place = 2 * int(y[1:]) + 1, 2 * int(x[1:]) + 1
    said = CLASSES.index(row['label']) if row['label'] in CLASSES else 255
    assert left[image][place] == said
    left[image][place] = 255
  assert all((mask == 255).all() for mask in left.values())

  before, after = learn(model, data)
  assert after < 0.9 * before
  next_round(tmp_path, root, model)


def next_round(tmp_path, root, model):
  """A new workdir with the trained model's predictions and all answers."""
  predict(model, root, tmp_path / 'two')
  second = command(root, tmp_path / 'two', tmp_path / 'run_2')
  succeed(*second, '--stage=uda')
  succeed(*second, '--stage=acquire')
  succeed(
    f'--workdir={tmp_path / "run_2"}', '--format=store', '--add_points',
    f'--import={tmp_path / "run_1"}', program='exchange',
  )  # fmt: skip
  answer(tmp_path / 'run_2', root, tmp_path / 'two.csv')
  masks = tmp_path / 'masks_2'
  succeed(
    f'--workdir={tmp_path / "run_2"}', '--format=masks', f'--export={masks}',
    f'--images={root / "images"}', program='exchange',
  )  # fmt: skip
  points = json.loads((masks / 'masks.json').read_text())['points']
  of_first = {x for (x,) in query(tmp_path / 'run_1', 'SELECT id FROM state')}
  assert of_first < {point['id'] for point in points}

  # A folder that has changed since is noticed.
  name = next((tmp_path / 'two/dusk_train').iterdir())
  np.save(name, np.load(name)[:, :, ::-1])
  (tmp_path / 'run_2/acquire/DONE').unlink()
  refused = launch(*second, '--stage=acquire')
  assert_refused(refused, 1, 'have changed since', f'dusk_train/{name.stem}')


def test_stage_3_learns_from_answers_and_those_predictions(tmp_path):
  folder = tmp_path / 'predictions'
  folder.mkdir()
  random = np.random.default_rng(0)
  names = tuple(truth())
  for name in names:
    np.save(folder / f'{name}.npy', random.normal(size=(12, 24, 19)))
  about = {'kind': 'logits', 'classes': list(kinds.CITYSCAPES.names)}
  (folder / 'predictions.json').write_text(json.dumps(about))
  done = succeed(
    *tiny(
      tmp_path / 'run',
      '--config.uda.source_only_steps=0',
      f'--config.uda.predictions={folder}',
    )
  )
  assert 'lacks predictions of 4 of the 4 evaluation images' in done.stderr
  assert 'UDA' not in done.stdout
  assert 'points' in done.stdout.splitlines()[0]
  assert (tmp_path / 'run/adapt/checkpoints/4').is_dir()
  assert not (tmp_path / 'run/uda/checkpoints').exists()
  logged = (tmp_path / 'run/adapt/metrics.jsonl').read_text()
  assert 'guesses' in logged  # the predictions, as pseudo labels
