"""Cityscapes (Cordts et al., CVPR 2016): leftImg8bit/ and gtFine/."""

from pointsup_jax.data.builders import segmentation


class Cityscapes(segmentation.Segmentation, skip_registration=True):  # type: ignore[call-arg]
  """Builds `cityscapes` from its files."""

  name = 'cityscapes'
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  Unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip:
  leftImg8bit/SPLIT/CITY/ and gtFine/SPLIT/CITY/.
  """
