"""--overwrite: deletes a run, but keeps what people answered."""

import contextlib
import shutil

from pointsup_jax import errors
from pointsup_jax.annotation import database
from pointsup_jax.hosts import progress
from pointsup_jax.run import carrying, config_file
from pointsup_jax.run import workdir as workdir_lib


def clear(
  workdir: workdir_lib.Workdir, *, discard_answers: bool = False
) -> None:
  """Deletes the contents of a run's folder, in the object store too.

  People's answers and comments are copied to earlier/ first, unless
  `discard_answers`.

  Raises:
    errors.UsageError: it holds no run.
    errors.UserError: people are labelling its points, or their answers cannot
      be read and are not discarded.
  """
  if not workdir.root.exists():
    return
  config_file.refuse_others(workdir)
  with contextlib.ExitStack() as held:
    if workdir.annotations.exists():
      held.enter_context(database.sole_writer(workdir.annotations))
    if discard_answers:
      _discard(workdir)
    elif given := config_file.given_by_people(workdir):
      kept = carrying.keep_answers(workdir)
      progress.say(
        f'--overwrite: {given} that people gave are kept in '
        f'{workdir.kept(kept)}; the new run takes them in'
      )
      workdir.push()  # before the object store is cleared
    # Keep the lock, which is held. The config goes last, so that an interrupted
    # deletion can be repeated.
    stays = {workdir.lock, workdir.config}
    if not discard_answers:
      stays.add(workdir.earlier)
    paths = [x for x in sorted(workdir.root.iterdir()) if x not in stays]
    paths += [workdir.config] if workdir.config.exists() else []
    names = ', '.join(path.name for path in paths)
    progress.say(f'--overwrite: deletes {workdir} ({names})')
    for path in paths:
      if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
      else:
        path.unlink()
    if workdir.mirror:
      workdir.mirror.clear(but=workdir.earlier.name)


def _discard(workdir: workdir_lib.Workdir) -> None:
  for folder in (workdir, *carrying.earlier(workdir)):
    try:
      given = config_file.given_by_people(folder)
    except errors.UserError:
      progress.say(
        f'--discard_answers: deletes {workdir.kept(folder.annotations)}, which '
        'cannot be read'
      )
      continue
    if given:
      progress.say(f'--discard_answers: deletes {given} of people in {folder}')
