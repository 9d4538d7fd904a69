import dataclasses
import json
import os
import shutil
import types

import cv2
import jax
import numpy as np
import pytest
import using
from launching import assert_refused, launch, succeed
from PIL import Image
from saying import message

from configs import gta_active
from pointsup_jax.data import classes, palettes
from pointsup_jax.prediction import (
  folder,
  inputs,
  loaded_model,
  predicting,
  segmenting,
)


@pytest.fixture(scope='module')
def predicted(workdir, images, tmp_path_factory):
  """Predictions for the evaluation images, and the output."""
  out = tmp_path_factory.mktemp('predicted') / 'out'
  where = (f'--workdir={workdir}', f'--out={out}')
  return out, succeed(images, *where, program='predict')


def test_labels_are_those_of_evaluation_bit_by_bit(predicted, workdir):
  out, _ = predicted
  for i, size in enumerate(using.SIZES):
    ours = using.pixels(out / f'labels/a/{i}.png')
    evaluated = using.pixels(workdir / f'evaluate/uda-/a/{i}.png')
    assert ours.shape == size
    assert len(np.unique(ours)) > 1
    np.testing.assert_array_equal(ours, evaluated)


def test_the_folder_explains_itself(predicted, images):
  out, done = predicted
  assert (
    'model uda (segmenter) at step 10; it sees 128x64 pixels' in done.stderr
  )
  about = json.loads((out / 'model.json').read_text())
  assert (about['model'], about['step']) == ('uda', 10)
  named = json.loads((out / 'classes.json').read_text())
  assert named['classes'][:2] == ['road', 'sidewalk']
  assert named['palette'] == using.PALETTE
  lines = (out / 'images.jsonl').read_text().splitlines()
  lines = list(map(json.loads, lines))
  assert [line['name'] for line in lines] == [f'a/{i}' for i in range(5)]
  for line, size in zip(lines, using.SIZES, strict=True):
    entropy = using.pixels(out / f'entropy/{line["name"]}.png')
    assert entropy.shape == size == tuple(line['size'])
    # Rounding to 8 bits moves the mean by less than half a level.
    assert abs(entropy.mean() / 255 - line['mean_entropy']) < 0.5 / 255
    image = using.pixels(images / f'{line["name"]}.png').astype(float)
    labels = using.pixels(out / f'labels/{line["name"]}.png')
    color = np.array(using.PALETTE)[labels]
    overlay = using.pixels(out / f'overlays/{line["name"]}.png')
    np.testing.assert_allclose(overlay, 0.45 * image + 0.55 * color, atol=0.6)


def test_every_kind_of_image_and_what_cannot_be_read(workdir, images, tmp_path):
  there, out = tmp_path / 'in', tmp_path / 'out'
  there.mkdir()
  image = Image.open(images / 'a/1.png')
  grey = image.convert('L')
  grey.save(there / 'grey.png')
  grey16 = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
  grey16.save(there / 'grey16.png')
  grey16.save(there / 'grey16_.tif', save_all=True, append_images=[grey16])
  image.save(there / 'rgb.png')
  bgr = np.asarray(image)[..., ::-1].astype(np.uint16) * 257
  assert cv2.imwrite(str(there / 'rgb16.png'), bgr)
  alpha = image.convert('RGBA')
  alpha.putalpha(9)
  alpha.save(there / 'rgba.png')
  exif = Image.Exif()
  exif[0x0112] = 6  # the camera was held upright
  image.rotate(90, expand=True).save(there / 'exif.png', exif=exif)
  image.resize((1, 1)).save(there / 'one.png')
  image.resize((5, 300)).save(there / 'line.bmp')
  image.save(there / 'twin.png')
  grey.save(there / 'twin.tif')
  whole = (there / 'rgb.png').read_bytes()
  (there / 'cut.png').write_bytes(whole[: len(whole) // 2])
  (there / 'empty.jpg').touch()
  (there / 'program.png').write_text('%!PS-Adobe-3.0 EPSF-3.0\n')
  Image.fromarray(np.ones((9, 9), np.float32)).save(there / 'float.tif')
  where = (f'--workdir={workdir}', f'--out={out}')
  done = launch(there, tmp_path / 'none.png', *where, program='predict')
  bad = ('cut.png', 'empty.jpg', 'program.png', 'float.tif', 'none.png')
  assert_refused(done, 1, f'{len(bad)} inputs')
  said = [x for x in done.stderr.splitlines() if x.startswith('not predicted')]
  assert len(said) == len(bad)
  pages = '1 images have several pages or frames; only the first was predicted'
  assert pages in done.stderr
  for name in bad:
    assert any(name in line for line in said)
  labels = {x.name: using.pixels(x) for x in (out / 'labels').iterdir()}
  assert len(labels) == 11
  for one, other in (
    ('rgb', 'rgb16'), ('rgb', 'rgba'), ('rgb', 'exif'), ('rgb', 'twin.png'),
    ('grey', 'grey16'), ('grey', 'grey16_'), ('grey', 'twin.tif'),
  ):  # fmt: skip
    np.testing.assert_array_equal(labels[f'{one}.png'], labels[f'{other}.png'])
  assert (labels['rgb.png'] != labels['grey.png']).any()
  assert labels['one.png'].shape == (1, 1)
  assert labels['line.png'].shape == (300, 5)


def test_again_does_what_is_left_and_replaces_nothing(
  predicted, workdir, images, tmp_path
):
  out, there = tmp_path / 'out', tmp_path / 'in'
  shutil.copytree(images, there)
  where = (f'--workdir={workdir}', f'--out={out}')
  assert launch(there, *where, program='predict').returncode == 0
  # As if killed while writing the log; then an image is replaced.
  log = out / 'images.jsonl'
  log.write_text(log.read_text()[:-30])
  (out / 'entropy/a/1.png').unlink()
  shutil.copy(images / 'a/3.png', there / 'a/0.png')
  first = using.pixels(predicted[0] / 'labels/a/3.png')
  times = {i: (out / f'labels/a/{i}.png').stat().st_mtime_ns for i in range(5)}
  done = succeed(there, *where, program='predict')
  assert '2 images: done before' in done.stderr
  for i, before in times.items():
    path = out / f'labels/a/{i}.png'
    assert (path.stat().st_mtime_ns == before) == (i in (2, 3))
  np.testing.assert_array_equal(using.pixels(out / 'labels/a/0.png'), first)
  assert (out / 'entropy/a/1.png').exists()


def test_an_image_is_known_by_its_content(trained, images, tmp_path, capsys):
  there = tmp_path / 'in'
  shutil.copytree(images / 'a', there)
  found, _ = inputs.find([str(there)], tmp_path / 'out')
  views = segmenting.plain(trained.size)

  def again():
    out = opened(trained, tmp_path / 'out')
    left = out.left_to_do(found)
    predicting.run(trained, left, out, views=views, batch_size=1)
    return [picture.name for picture in left]

  assert len(again()) == len(found)
  capsys.readouterr()
  (there / '0.png').touch()
  assert again() == []
  one = (there / '1.png').stat()
  shutil.copyfile(there / '2.png', there / '1.png')
  os.utime(there / '1.png', ns=(one.st_atime_ns, one.st_mtime_ns))
  assert again() == ['1']
  assert 'predicted anew: 1' in capsys.readouterr().err
  assert again() == []


def test_an_image_that_changes_after_it_was_read_is_predicted_anew(
  trained, images, tmp_path, monkeypatch
):
  there = tmp_path / 'in'
  shutil.copytree(images / 'a', there)
  found, _ = inputs.find([str(there / '0.png')], tmp_path / 'out')
  out = opened(trained, tmp_path / 'out')
  as_seen = segmenting.as_seen

  def edit(*args):
    shutil.copyfile(there / '1.png', there / '0.png')
    return as_seen(*args)

  monkeypatch.setattr(segmenting, 'as_seen', edit)
  views = segmenting.plain(trained.size)
  predicting.run(trained, found, out, views=views, batch_size=1)
  assert opened(trained, tmp_path / 'out').left_to_do(found) == found


def test_a_model_that_was_trained_anew_is_another(trained, tmp_path):
  opened(trained, tmp_path / 'out')
  variables = jax.tree.map(lambda x: x + 1, trained.variables)
  other = dataclasses.replace(trained, variables=variables)
  assert 'weights was' in message(lambda: opened(other, tmp_path / 'out'))


def opened(trained, out, views=None):
  views = views or segmenting.plain(trained.size)
  return folder.Folder(out, predicting.about(trained, views), trained.classes)


def test_predictions_of_other_images_or_models_are_not_replaced(
  predicted, workdir, trained, images, tmp_path
):
  out, _ = predicted
  found, _ = inputs.find([str(images / 'a')], out)
  assert [picture.name for picture in found] == list('01234')
  assert opened(trained, out).left_to_do(found) == found
  there = inputs.Picture(images / 'a/1.png', 'a/0')
  text = message(lambda: opened(trained, out).left_to_do([there]))
  assert str(out / 'labels/a/0.png') in text
  assert str(there.path) in text
  other = loaded_model.load(workdir, 'source_only')
  said = "model was 'uda', now 'source_only'"
  assert said in message(lambda: opened(other, out))
  augmented = segmenting.augmented(trained.size)
  assert 'views' in message(lambda: opened(trained, out, augmented))


def test_overwrite_deletes_predictions_and_nothing_else(
  predicted, trained, tmp_path
):
  out = tmp_path / 'out'
  shutil.copytree(predicted[0], out)
  (out / 'mine.txt').write_text('years of work')
  folder.clear(out)
  assert [path.name for path in out.iterdir()] == ['mine.txt']
  for act in (lambda: opened(trained, out), lambda: folder.clear(out)):
    assert str(out) in message(act)
    assert (out / 'mine.txt').read_text() == 'years of work'


def test_nothing_is_written_outside_the_folder(trained, images, tmp_path):
  out, other = tmp_path / 'out', tmp_path / 'other'
  other.mkdir()
  made = opened(trained, out)
  (out / 'labels').mkdir()
  (out / 'labels/a').symlink_to(other)
  picture = inputs.Picture(images / 'a/0.png', 'a/0')
  image = using.pixels(picture.path)
  prediction = segmenting.Prediction(image[..., 0], image[..., 0] / 255)
  assert 'leads out' in message(lambda: made.write(picture, image, prediction))
  assert not list(other.iterdir())


def test_labels_may_have_the_ids_of_label_files(tmp_path):
  kinds = classes.ClassSet(('road', 'car'), palettes.distinct(2))
  run = types.SimpleNamespace(
    config=gta_active.get_config(), workdir=types.SimpleNamespace(address='')
  )
  model = types.SimpleNamespace(
    run=run,
    phase='uda',
    network='segmenter',
    step=2,
    variables={},
    classes=kinds,
  )
  about = predicting.about(model, [], label_ids=True)
  made = folder.Folder(tmp_path / 'out', about, kinds)
  labels = np.array([[0, 1]], np.uint8)
  prediction = segmenting.Prediction(labels, np.zeros((1, 2), np.float32))
  picture = inputs.Picture(tmp_path / 'a.png', 'a')
  made.write(picture, np.zeros((1, 2, 3), np.uint8), prediction)
  assert using.pixels(tmp_path / 'out/labels/a.png').tolist() == [[7, 26]]


@pytest.mark.parametrize('phase', ['adapt', None])
def test_a_model_that_is_not_there(phase, workdir, tmp_path):
  text = message(lambda: loaded_model.load(workdir, 'adapt'))
  assert 'it has those of uda, source_only' in text
  assert 'config.json' in message(lambda: loaded_model.load(tmp_path, phase))


def test_a_checkpoint_is_chosen_by_its_step(workdir, trained):
  folder = workdir / 'uda/checkpoints'
  kept = sorted(int(path.name) for path in folder.iterdir())
  assert len(kept) > 1
  earlier = loaded_model.load(workdir, 'uda', kept[0])
  assert (earlier.step, trained.step) == (kept[0], kept[-1])
  first, last = (x.variables['params']['conv1'] for x in (earlier, trained))
  assert np.any(np.asarray(first['kernel']) != np.asarray(last['kernel']))
  text = message(lambda: loaded_model.load(workdir, 'uda', 77))
  assert f'at step 77; it has those at {", ".join(map(str, kept))}' in text


@pytest.mark.parametrize(
  ('args', 'said'),
  [
    ('--out={out} {images}', '--workdir'),
    ('--workdir={run} --out={out}', 'images'),
    ('--workdir={run} --out={out} {run}/none', '{run}/none'),
    ('--workdir={run} --out={out} {images} --size=64', 'height,width'),
    ('--workdir={run} --out={out} {images} --tda', 'tta'),
  ],
)
def test_usage_errors(args, said, workdir, images, tmp_path):
  places = {'run': workdir, 'images': images, 'out': tmp_path / 'out'}
  done = launch(*(x.format(**places) for x in args.split()), program='predict')
  assert_refused(done, 2, said.format(**places))
  assert not (tmp_path / 'out').exists()
