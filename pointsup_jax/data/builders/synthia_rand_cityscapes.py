"""SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016): RGB/ and GT/LABELS/."""

from pointsup_jax.data.builders import segmentation


class SynthiaRandCityscapes(segmentation.Segmentation, skip_registration=True):  # type: ignore[call-arg]
  """Builds `synthia_rand_cityscapes` from its files."""

  name = 'synthia_rand_cityscapes'
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  Unpack SYNTHIA_RAND_CITYSCAPES.rar: RGB/0000000.png and
  GT/LABELS/0000000.png, 9,400 of each.
  """
