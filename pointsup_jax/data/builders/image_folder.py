"""Images and labels of the user's: images/, labels/, splits/."""

from pointsup_jax.data.builders import segmentation


class ImageFolder(segmentation.Segmentation, skip_registration=True):  # type: ignore[call-arg]
  """Builds `image_folder` from its files."""

  name = 'image_folder'
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  images/, labels/ of the same names, and optional lists in splits/ (README).
  """
