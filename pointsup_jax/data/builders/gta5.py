"""GTA5 (Richter et al., ECCV 2016): images/ and labels/."""

from pointsup_jax.data.builders import segmentation


class Gta5(segmentation.Segmentation, skip_registration=True):  # type: ignore[call-arg]
  """Builds `gta5` from its files."""

  name = 'gta5'
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  Unpack the ten archives of images and the ten of labels from the data set's
  page: images/00001.png and labels/00001.png, 24,966 of each.
  """
