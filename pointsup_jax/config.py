"""Every field of a run, with its meaning and unit; the paper's values.

The other configs start from this one and change what their experiment needs.
Any field can be changed on the command line: --config.acquire.k=5.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """Returns the full config, with the paper's values where it gives any."""
  config = ml_collections.ConfigDict()

  # The one seed of a run: data order, initial weights, random points.
  config.seed = 0

  config.data = data = ml_collections.ConfigDict()
  # Folder with the data; each domain's own `root` is looked up in it. Unused by
  # Streets.
  data.root = ''
  # 'cityscapes' (its 19 classes), 'cityscapes_16' (without terrain, truck and
  # train), or the path of a classes.json; a relative path is looked up in
  # data.root.
  data.classes = 'cityscapes'
  # Where labelled source images come from: 'streets_game', 'streets_camera',
  # 'image_folder', 'gta5', 'synthia_rand_cityscapes' or 'cityscapes'.
  data.source = domain('streets_game', 'train', (760, 1280), 24_966)
  # The unlabelled target images; the simulated annotator reads their labels.
  data.target = domain('streets_camera', 'train', (512, 1024), 2_975)
  # Labelled target images for evaluation only.
  data.evaluation = domain('streets_camera', 'val', (512, 1024), 500)
  # Folder with what `python -m launch.prepare` has built of the data
  # sets on disk; '' reads their files themselves, which is slower and gives the
  # same.
  data.prepared = ''
  # Threads that read and resize images ahead of the device.
  data.threads = 2

  config.model = model = ml_collections.ConfigDict()
  # Bottleneck blocks of the four stages; (3, 4, 23, 3) is ResNet-101.
  model.blocks = (3, 4, 23, 3)
  # Channels of the first stage; 64 in every ResNet.
  model.width = 64
  # File of the weights that stages 1 and 3 start from: an ImageNet ResNet or a
  # segmenter, .pth, .safetensors or .npz; '' starts from scratch.
  model.weights = ''
  # Batch norm in training: 'batch' (statistics of each image, as the paper's
  # batch of 1 has them), 'global' (of the whole batch) or 'frozen' (running
  # statistics). Evaluation always uses the running ones.
  model.bn = 'batch'
  # Whose passes update the running statistics where both domains are seen:
  # 'both' in turn, source first, as published, or the 'target' alone, which is
  # what the model is used on.
  model.bn_statistics = 'both'
  # Numbers of the segmenter's activations: 'float32' or 'bfloat16', which is
  # for accelerators. Parameters, statistics, logits and losses are float32.
  model.dtype = 'float32'
  # Keep only what enters each bottleneck for the backward pass, less than a
  # fifth, and compute the rest again: 29% more arithmetic, docs/PERFORMANCE.md.
  model.remat = False
  # Channels of a discriminator's first convolution.
  model.discriminator_width = 64

  config.losses = losses = ml_collections.ConfigDict()
  # Weight of the aux head's cross entropy, beside 1 for the main head.
  losses.aux = 0.1
  # Weights of what the strategy minimises on the target, for either head.
  losses.target_main = 0.001
  losses.target_aux = 0.0002

  config.optim = optim = ml_collections.ConfigDict()
  # SGD for the segmenter; the two heads learn head_lr_scale times faster.
  optim.lr = 2.5e-4
  optim.head_lr_scale = 10.0
  optim.momentum = 0.9
  # The paper's value; ADVENT's code has 5e-4.
  optim.weight_decay = 1e-4
  # Move the convolutions of the four stages three times a step, those of
  # downsamples four times, as the published code does (it lists them so often
  # in its optimiser); without it the published learning rate is much lower.
  optim.repeat = True
  # Adam for the discriminators.
  optim.discriminator_lr = 1e-4
  # All rates decay as (1 - step / decay_steps) ** poly_power.
  optim.decay_steps = 250_000
  optim.poly_power = 0.9

  config.train = train = ml_collections.ConfigDict()
  # Images of each domain in a step, over all devices and hosts.
  train.batch_size = 1
  # Steps between two lines of metrics.jsonl.
  train.log_every = 100
  # Steps between two checkpoints, and how many of the last ones are kept.
  train.checkpoint_every = 2_000
  train.keep = 2
  # Checkpoints at multiples of so many steps are kept besides; 0: none.
  train.keep_every = 0
  # When a loss or the model is not finite: 'stop', or 'rollback': go back to
  # the last checkpoint and leave out the batch that did it.
  train.on_nan = 'stop'

  config.uda = uda = ml_collections.ConfigDict()
  # Stage 1: 'source_only', 'minent', 'advent', 'adaptsegnet' or 'intrada'.
  uda.strategy = 'advent'
  # Steps of each of its phases.
  uda.steps = 120_000
  # IntraDA: the share of the target's images that count as easy (lambda), and
  # the classes whose presence makes an image easier; none: they do not count.
  # The published list is wall, fence, pole, traffic light, traffic sign,
  # terrain, rider, truck, bus, train, motorcycle.
  uda.easy_share = 0.67
  uda.rare_classes = ()
  # Steps of source-only training from which stages 1 and 3 start, in place of
  # ImageNet weights; its result is the row 'no adaptation'. 0: none.
  uda.source_only_steps = 0

  config.acquire = acquire = ml_collections.ConfigDict()
  # Which patches the annotator sees: 'active' (highest score), 'random',
  # 'self_training' (none) or 'full' (all).
  acquire.strategy = 'active'
  # 'entropy' (the paper's), 'margin', 'least_confidence', 'region_impurity'
  # (RIPU's) or 'random'.
  acquire.score = 'entropy'
  # Rows and columns of patches; they must divide data.target.size.
  acquire.grid = (8, 16)
  # Patches asked in an image.
  acquire.k = 10
  # Points asked in a patch.
  acquire.n = 5
  # Points asked in all images together, spent on the patches with the highest
  # scores of all; what does not fill a patch is left over. 0: k patches in
  # every image.
  acquire.budget = 0
  # Rounds of asking and adapting; each scores the images anew with the model of
  # the round before. The questions, k or budget, are divided among them.
  acquire.rounds = 1
  # Images in a forward pass, over all devices.
  acquire.batch_size = 4

  config.annotate = annotate = ml_collections.ConfigDict()
  # Who answers: 'ground_truth' (simulated from the target's label files),
  # 'human' (people, on the page that --stage=annotate serves) or 'file'
  # (people, in a tool of theirs: docs/EXCHANGE.md).
  annotate.oracle = 'ground_truth'
  # The simulated annotator's flaws: the share of points that it gives a wrong
  # class, and the classes that it takes for each other, such as
  # ('road/sidewalk', 'person/rider'); any others are taken for any class.
  annotate.error_rate = 0.0
  annotate.confusable = ()
  # Seconds that it takes for a point.
  annotate.seconds = 2.0
  # The answers for 'file': a CSV, a JSON of Label Studio or an XML of CVAT. It
  # may stay '' until stage 2 has asked.
  annotate.answers = ''
  # Where the page is served: an IPv4 address or name of this machine, and the
  # port; 0 takes any free one.
  annotate.host = '127.0.0.1'
  annotate.port = 8765
  # Serve a host that other machines can reach. There is no encryption: whoever
  # sees the traffic can label. `ssh -L` needs none of this.
  annotate.allow_remote = False
  # The share of points that two annotators are asked about, to see how far they
  # agree.
  annotate.overlap = 0.0

  config.adapt = adapt = ml_collections.ConfigDict()
  # Stage 3: which strategy runs beside the point labels: any of stage 1 that
  # has one phase.
  adapt.strategy = 'advent'
  adapt.steps = 120_000
  # Pseudo labels in the patches nobody was asked about: 'points' (at the n
  # drawn positions), 'dense' (everywhere) or 'none'.
  adapt.pseudo_labels = 'points'
  # Weights of the cross entropy on people's answers, and on pseudo labels.
  adapt.answer_weight = 1.0
  adapt.guess_weight = 1.0
  # Whether answers and pseudo labels have a mean each. The paper takes one over
  # both, in which few answers drown: docs/RESULTS.md.
  adapt.separate_means = False
  # Start although people have points left to label; those are left out.
  adapt.allow_partial = False

  config.evaluate = evaluate = ml_collections.ConfigDict()
  # Images in a forward pass; 1 where their sizes differ.
  evaluate.batch_size = 4
  # Write each model's predictions into evaluate/<model>-<split>/ too: PNGs of
  # the labels' size and ids (labelIds for Cityscapes, as its evaluator wants).
  evaluate.save_predictions = False
  # Score every checkpoint that was kept (train.keep_every), not only the last:
  # how each model did on its way, and where it was best. The best is chosen by
  # the labels it is scored on, so it is no result of the method.
  evaluate.all_kept = False
  return config


def domain(
  dataset: str,
  split: str,
  size: tuple[int, int],
  length: int = 0,
  root: str = '',
) -> ml_collections.ConfigDict:
  """The fields that describe one set of images.

  Args:
    dataset: which data set.
    split: its part: 'train', 'val' or 'test' of Streets and Cityscapes, 'all'
      of GTA5 and SYNTHIA; of an image folder, the name of a list in splits/ or
      of a folder in images/.
    size: height and width in pixels at which the network sees the images.
    length: number of Streets scenes; unused by the others.
    root: the set's folder, absolute or in data.root.
  """
  return ml_collections.ConfigDict(
    {
      'dataset': dataset,
      'split': split,
      'size': size,
      'length': length,
      'root': root,
    }
  )
