"""The AdvEnt step in PyTorch, for comparison with ours.

The same arithmetic as `training.step.train_step`: DeepLab-v2 with two heads,
two discriminators, batch norm with the statistics of the batch and frozen
affine parameters, SGD and Adam. Source and target are two passes with a
backward each, as in the published code, so that their activations are never
held together. Layer names are those of the published state dict, which
`models.pretrained` reads.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

HEADS = ('aux', 'main')
FOOL_WEIGHTS = {'aux': 0.0002, 'main': 0.001}
AUX = 0.1


class Bottleneck(nn.Module):
  """1x1 with the stride, 3x3 with the dilation, 1x1, plus a shortcut."""

  def __init__(
    self, inside: int, width: int, stride: int, dilation: int, project: bool
  ) -> None:
    super().__init__()
    self.conv1 = nn.Conv2d(inside, width, 1, stride, bias=False)
    self.bn1 = batch_norm(width)
    self.conv2 = nn.Conv2d(
      width, width, 3, padding=dilation, dilation=dilation, bias=False
    )
    self.bn2 = batch_norm(width)
    self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
    self.bn3 = batch_norm(4 * width)
    self.relu = nn.ReLU(inplace=True)
    self.downsample = None
    if project:
      self.downsample = nn.Sequential(
        nn.Conv2d(inside, 4 * width, 1, stride, bias=False),
        batch_norm(4 * width),
      )

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] -> [B, 4 * width, H / stride, W / stride]."""
    y = self.relu(self.bn1(self.conv1(x)))
    y = self.relu(self.bn2(self.conv2(y)))
    y = self.bn3(self.conv3(y))
    shortcut = x if self.downsample is None else self.downsample(x)
    return self.relu(y + shortcut)


def batch_norm(channels: int) -> nn.BatchNorm2d:
  """Its affine parameters do not learn."""
  norm = nn.BatchNorm2d(channels)
  norm.weight.requires_grad_(False)
  norm.bias.requires_grad_(False)
  return norm


class Head(nn.Module):
  """The sum of four dilated 3x3 convolutions."""

  def __init__(self, inside: int, classes: int) -> None:
    super().__init__()
    self.conv2d_list = nn.ModuleList(
      nn.Conv2d(inside, classes, 3, padding=d, dilation=d)
      for d in (6, 12, 18, 24)
    )
    for conv in self.conv2d_list:
      nn.init.normal_(conv.weight, std=0.01)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """[B, D, h, w] -> logits [B, C, h, w]."""
    return sum(conv(x) for conv in self.conv2d_list)


class Segmenter(nn.Module):
  """A dilated ResNet with a head on conv4 and one on conv5."""

  def __init__(self, classes: int, blocks: Sequence[int], width: int) -> None:
    super().__init__()
    self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
    self.bn1 = batch_norm(width)
    self.relu = nn.ReLU(inplace=True)
    self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
    inside = width
    for i, (stride, dilation) in enumerate(((1, 1), (2, 1), (1, 2), (1, 4))):
      stage = []
      for j in range(blocks[i]):
        stage.append(
          Bottleneck(
            inside, width * 2**i, stride if j == 0 else 1, dilation, j == 0
          )
        )
        inside = 4 * width * 2**i
      self.add_module(f'layer{i + 1}', nn.Sequential(*stage))
    self.layer5 = Head(16 * width, classes)
    self.layer6 = Head(32 * width, classes)

  def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Images [B, 3, H, W] -> logits of both heads [B, C, H, W]."""
    x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
    conv4 = self.layer3(self.layer2(self.layer1(x)))
    conv5 = self.layer4(conv4)
    size = images.shape[2:]
    aux, main = (
      F.interpolate(head.float(), size, mode='bilinear', align_corners=True)
      for head in (self.layer5(conv4), self.layer6(conv5))
    )
    return aux, main


def discriminator(classes: int, width: int = 64) -> nn.Sequential:
  """Five 4x4 convolutions of stride 2."""
  widths = (classes, width, 2 * width, 4 * width, 8 * width, 1)
  layers: list[nn.Module] = []
  for inside, outside in itertools.pairwise(widths):
    layers += [nn.Conv2d(inside, outside, 4, 2, 1), nn.LeakyReLU(0.2, True)]
  return nn.Sequential(*layers[:-1])


def self_information(logits: torch.Tensor) -> torch.Tensor:
  """-p log2 p / log2 C of every class."""
  log_p = F.log_softmax(logits, dim=1)
  return -log_p.exp() * log_p / math.log(logits.shape[1])


def domain_loss(logits: torch.Tensor, label: float) -> torch.Tensor:
  """Binary cross entropy with one label for all."""
  logits = logits.float()
  return F.binary_cross_entropy_with_logits(
    logits, torch.full_like(logits, label)
  )


class AdvEnt:
  """All players, and one step of their game."""

  def __init__(
    self,
    segmenter: Segmenter,
    classes: int,
    device: str,
    *,
    channels_last: bool = False,
    compiled: bool = False,
    autocast: bool = False,
  ) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    self.device, self.autocast, self.layout = device, autocast, layout
    self.segmenter = segmenter.to(device, memory_format=layout).train()
    self.opponents = nn.ModuleDict(
      {head: discriminator(classes) for head in HEADS}
    ).to(device, memory_format=layout)
    heads = [*segmenter.layer5.parameters(), *segmenter.layer6.parameters()]
    known = {id(x) for x in heads}
    backbone = [
      x
      for x in segmenter.parameters()
      if x.requires_grad and id(x) not in known
    ]
    self.optimizer = torch.optim.SGD(
      [{'params': backbone}, {'params': heads, 'lr': 2.5e-3}],
      lr=2.5e-4,
      momentum=0.9,
      weight_decay=1e-4,
    )
    self.opponent_optimizer = torch.optim.Adam(
      self.opponents.parameters(), lr=1e-4, betas=(0.9, 0.99)
    )
    self.segment = torch.compile(self.segmenter) if compiled else self.segmenter
    self.judge = {
      head: torch.compile(player) if compiled else player
      for head, player in self.opponents.items()
    }
    self.information = (
      torch.compile(self_information) if compiled else self_information
    )

  def put(self, images: torch.Tensor) -> torch.Tensor:
    """Images [B, 3, H, W] on the device, in its layout."""
    return images.to(self.device).contiguous(memory_format=self.layout)

  def step(
    self, source: torch.Tensor, labels: torch.Tensor, target: torch.Tensor
  ) -> dict[str, torch.Tensor]:
    """One update of all players; returns the losses, still on the device."""
    losses = {}
    self.optimizer.zero_grad(set_to_none=True)
    self.opponent_optimizer.zero_grad(set_to_none=True)
    self.opponents.requires_grad_(False)

    with self.mixed():
      source_logits = dict(zip(HEADS, self.segment(source), strict=True))
      for head in HEADS:
        losses[f'source_{head}'] = F.cross_entropy(
          source_logits[head], labels, ignore_index=255
        )
    (losses['source_main'] + AUX * losses['source_aux']).backward()

    with self.mixed():
      target_logits = dict(zip(HEADS, self.segment(target), strict=True))
      maps = {h: self.information(x) for h, x in target_logits.items()}
      for head in HEADS:
        losses[f'fool_{head}'] = domain_loss(self.judge[head](maps[head]), 0.0)
    sum(FOOL_WEIGHTS[h] * losses[f'fool_{h}'] for h in HEADS).backward()

    self.opponents.requires_grad_(True)
    for head in HEADS:
      with self.mixed():
        of_source = self.information(source_logits[head].detach())
        on_source = domain_loss(self.judge[head](of_source), 0.0)
        on_target = domain_loss(self.judge[head](maps[head].detach()), 1.0)
      losses[f'opponent_{head}'] = (on_source + on_target) / 2
      losses[f'opponent_{head}'].backward()
    self.optimizer.step()
    self.opponent_optimizer.step()
    return {name: loss.detach() for name, loss in losses.items()}

  def mixed(self) -> torch.autocast:
    """Products in bfloat16, where asked for."""
    return torch.autocast(self.device, torch.bfloat16, enabled=self.autocast)
