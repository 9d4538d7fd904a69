"""Point-supervised domain adaptation for semantic segmentation, in JAX."""
