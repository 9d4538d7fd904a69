"""All fields of a run, with their meanings, units and the paper's values.

Other configs start from this one. Any field can be changed on the command line:
--config.acquire.k=5.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """Returns the full config, with the paper's values where it gives any."""
  config = ml_collections.ConfigDict()

  # Seed of the run: data order, initial weights, random points.
  config.seed = 0

  config.data = data = ml_collections.ConfigDict()
  # Folder that each domain's `root` is relative to. Unused by Streets.
  data.root = ''
  # 'cityscapes' (its 19 classes), 'cityscapes_16' (without terrain, truck and
  # train), or the path of a classes.json, absolute or relative to data.root.
  data.classes = 'cityscapes'
  # Source and target images can be changed at random in training: see `domain`.
  # Labelled source images: 'streets_game', 'streets_camera', 'image_folder',
  # 'gta5', 'synthia_rand_cityscapes' or 'cityscapes'; dataset='' if there are
  # none, which needs uda.predictions and leaves stage 3 out.
  data.source = domain('streets_game', 'train', (760, 1280), 24_966)
  # Unlabelled target images; the simulated annotator reads their labels.
  data.target = domain('streets_camera', 'train', (512, 1024), 2_975)
  # Labelled target images, for evaluation only; dataset='' if there are none,
  # and adapt.holdout then keeps answers to score on.
  data.evaluation = domain('streets_camera', 'val', (512, 1024), 500)
  # Output folder of `python -m launch.prepare`; '' reads the data sets' own
  # files, which is slower and gives the same.
  data.prepared = ''
  # Draw source images with rare classes more often, as DAFormer does, which has
  # 0.01: a class with the probability exp((1 - share) / this), then an image
  # that has it. 0: every image once an epoch.
  data.rare_class_temperature = 0.0
  # Threads that read and resize images ahead of the device.
  data.threads = 2

  config.model = model = ml_collections.ConfigDict()
  # The network below the heads: 'resnet'; 'efficientnet_lite0',
  # 'efficientnet_lite1' or 'efficientnet_lite2', which are small and fast on
  # CPUs; or 'mit_b0' to 'mit_b5', of SegFormer, whose head is then the main one
  # (docs/BACKBONES.md).
  model.backbone = 'resnet'
  # A ResNet's blocks: 'bottleneck', or 'basic' as in ResNet-18 and ResNet-34.
  model.block = 'bottleneck'
  # Its blocks in the four stages; (3, 4, 23, 3) is ResNet-101.
  model.blocks = (3, 4, 23, 3)
  # Channels of its first stage; 64 in every ResNet.
  model.width = 64
  # Pixels between positions of the last features: 8, 16 or 32 of an
  # EfficientNet, 8 of a ResNet, 32 of a Mix Transformer. 0: 16, 8 and 32.
  # Smaller is slower.
  model.output_stride = 0
  # Initial weights of stages 1 and 3: an ImageNet file or a segmenter, .pth,
  # .safetensors or .npz; 'imagenet' finds an EfficientNet's in its package
  # (requirements/pretrained.txt); '' starts from scratch.
  model.weights = ''
  # Batch norm in training: 'batch' (statistics per image, as in the paper's
  # batch of 1), 'global' (of the whole batch) or 'frozen' (running statistics).
  # Evaluation always uses the running ones.
  model.bn = 'batch'
  # Which passes update the running statistics: 'both' domains in turn, source
  # first, as published, or only the 'target', on which the model is used.
  model.bn_statistics = 'both'
  # Dtype of the segmenter's and discriminators' activations: 'float32', exact
  # and therefore slow on accelerators (docs/PERFORMANCE.md), or 'bfloat16'.
  # Parameters, statistics, logits and losses are float32.
  model.dtype = 'float32'
  # Recompute blocks in the backward pass: stores less than a fifth of the
  # activations, for 29% more arithmetic (docs/PERFORMANCE.md).
  model.remat = False
  # What the aux head reads: 'conv4', or 'conv5' as the main head.
  model.aux_reads = 'conv4'
  # Adds DADA's depth branch, whose features the main head reads. 'dada' needs
  # it, and depth with the source: data.source.dataset is one of Streets,
  # SYNTHIA (its Depth/) or 'image_folder' with depth/.
  model.depth = False
  # Predict with the 'main' head, the 'sum' of both heads' logits, or the 'mean'
  # of their probabilities.
  model.prediction = 'main'
  # DISE: torchvision's ImageNet VGG-19, by whose features images are compared;
  # '' takes those of the initial segmenter, which is another loss.
  model.vgg = ''
  # Channels of a discriminator's first convolution.
  model.discriminator_width = 64

  config.losses = losses = ml_collections.ConfigDict()
  # Weight of the aux head's cross-entropy; the main head's is 1.
  losses.aux = 0.1
  # Weights of the strategy's target loss, per head.
  losses.target_main = 0.001
  losses.target_aux = 0.0002
  # CLAN: added weight of pixels on which the heads disagree; 10 for SYNTHIA.
  losses.disagreement = 40.0

  config.optim = optim = ml_collections.ConfigDict()
  # Of the segmenter: 'sgd', as published, or 'adamw', as in DAFormer: with
  # lr=6e-5, weight_decay=0.01, warmup_steps=1_500, decay_steps=40_000 and
  # poly_power=1.0. AdamW also moves the scales and biases of batch norms, and
  # lets those of no norm decay.
  optim.name = 'sgd'
  # The heads learn head_lr_scale times faster.
  optim.lr = 2.5e-4
  optim.head_lr_scale = 10.0
  # Of SGD.
  optim.momentum = 0.9
  # Of AdamW: the weights of the old in the averages of gradients and of their
  # squares.
  optim.betas = (0.9, 0.999)
  # The paper's value; ADVENT's code has 5e-4.
  optim.weight_decay = 1e-4
  # SGD: apply each gradient three times to the convolutions of a ResNet's
  # stages and four times to downsamples: the published code lists them that
  # often in its optimiser. Without it the published rate is much lower.
  optim.repeat = True
  # Adam for the discriminators.
  optim.discriminator_lr = 1e-4
  # Adam for DISE's encoders and decoder.
  optim.translator_lr = 1e-3
  # All rates decay as (1 - step / decay_steps) ** poly_power in every phase;
  # in stage 3 adapt.decay_steps may take their place.
  optim.decay_steps = 250_000
  optim.poly_power = 0.9
  # In the first steps they rise linearly from 0 instead, as in CLAN.
  optim.warmup_steps = 0

  config.train = train = ml_collections.ConfigDict()
  # Images of each domain per step, over all devices and hosts.
  train.batch_size = 1
  # Steps between records in metrics.jsonl.
  train.log_every = 100
  # Steps between checkpoints, and how many of the latest are kept.
  train.checkpoint_every = 2_000
  train.keep = 2
  # Also keep checkpoints at multiples of this many steps; 0: none.
  train.keep_every = 0
  # If a loss or the model is not finite: 'stop', or 'rollback' to the last
  # checkpoint and skip the batch that caused it.
  train.on_nan = 'stop'

  config.uda = uda = ml_collections.ConfigDict()
  # Stage 1: a method of docs/METHODS.md, such as 'source_only', 'advent' or
  # 'intrada'.
  uda.strategy = 'advent'
  # Folder of another model's predictions for the target images, which take the
  # place of stage 1 (docs/ANY_MODEL.md); '' trains stage 1.
  uda.predictions = ''
  # Steps of each phase.
  uda.steps = 120_000
  # IntraDA: share of target images that count as easy (lambda), and classes
  # whose presence makes an image easier; () ranks by entropy alone. The
  # published list is wall, fence, pole, traffic light, traffic sign, terrain,
  # rider, truck, bus, train, motorcycle.
  uda.easy_share = 0.67
  uda.rare_classes = ()
  # Steps of source-only training before stages 1 and 3, in place of ImageNet
  # weights; its result is the row 'no adaptation'. 0: none.
  uda.source_only_steps = 0

  config.acquire = acquire = ml_collections.ConfigDict()
  # What to ask about: 'active' (highest scores), 'random', 'self_training'
  # (nothing) or 'full' (all patches).
  acquire.strategy = 'active'
  # 'entropy' (the paper's), 'margin', 'least_confidence', 'region_impurity',
  # 'ripu' (of pixels), 'disagreement' (of two rounds' models; 'entropy' in the
  # first round) or 'random'.
  acquire.score = 'entropy'
  # Where the points are: 'patches' (n random ones in each of k patches, as in
  # the paper), 'pixels' (the k best ones, each in a square in which no other is
  # asked, as in RIPU), 'turns' (the same, predicted classes taking turns) or
  # 'sample' (k random ones of the 5% with the highest scores, as in PixelPick).
  acquire.place = 'patches'
  # Rows and columns of patches; must divide data.target.size.
  acquire.grid = (8, 16)
  # Patches per image, or points per image where no patches are asked.
  acquire.k = 10
  # Points per patch.
  acquire.n = 5
  # Total points over all images, spent on the patches with the highest scores;
  # a remainder smaller than a patch is not used. 0: k patches in every image.
  acquire.budget = 0
  # Rounds of asking and adapting, which divide k or budget among them. Each
  # scores the images with the previous round's model.
  acquire.rounds = 1
  # Images per forward pass, over all devices.
  acquire.batch_size = 4

  config.annotate = annotate = ml_collections.ConfigDict()
  # Who answers: 'ground_truth' (simulated from the target's label files),
  # 'human' (people, on the page of --stage=annotate) or 'file' (people, in
  # another tool: docs/EXCHANGE.md).
  annotate.oracle = 'ground_truth'
  # Errors of the simulated annotator: share of points with a wrong class, and
  # pairs of classes that it confuses, such as ('road/sidewalk',
  # 'person/rider'); other classes are confused with any class.
  annotate.error_rate = 0.0
  annotate.confusable = ()
  # Its seconds per point.
  annotate.seconds = 2.0
  # Target images, drawn from the seed, in which it labels every pixel without
  # errors, to compare with points; and its seconds for each, as Cityscapes's.
  annotate.whole_images = 0
  annotate.image_seconds = 5400.0
  # The answers for 'file': a CSV, a Label Studio JSON or a CVAT XML. May be ''
  # until stage 2 has asked.
  annotate.answers = ''
  # Address of the page: an IPv4 address or name of this machine, and a port;
  # 0 takes any free one.
  annotate.host = '127.0.0.1'
  annotate.port = 8765
  # Allow a host that other machines can reach. There is no encryption: whoever
  # sees the traffic can label. Tunnelling with `ssh -L` does not need this.
  annotate.allow_remote = False
  # Scheme and host under which a proxy that encrypts serves the page, such as
  # 'https://points.example.org'; '' without one.
  annotate.public_url = ''
  # Share of points shown to two annotators, to measure their agreement.
  annotate.overlap = 0.0

  config.adapt = adapt = ml_collections.ConfigDict()
  # Strategy of stage 3 beside the point labels: a single-phase one of stage 1.
  adapt.strategy = 'advent'
  adapt.steps = 120_000
  # All rates of stage 3, and CLAN's damping, reach 0 at this step; 0 takes
  # optim.decay_steps.
  adapt.decay_steps = 0
  # The segmenter at its step 0: 'start', that of stage 1's step 0, as in the
  # paper; 'uda', stage 1's; or 'asking', the one that has asked: stage 1's in
  # round 1, then that of the round before.
  adapt.initial = 'start'
  # Pseudo labels in patches without a question: 'points' (at the n drawn
  # positions), 'dense' (everywhere) or 'none'; or 'segments', the answers' own
  # classes around them (docs/RUNNING.md).
  adapt.pseudo_labels = 'points'
  # About how many segments of an image 'segments' spreads answers over.
  adapt.segments = 400
  # Weights of the cross-entropy on people's answers and on pseudo labels.
  adapt.answer_weight = 1.0
  adapt.guess_weight = 1.0
  # Number of answers in a batch at which their loss gets its full weight; that
  # of n fewer is noisier and counts sqrt(n / this) times as much. An enlarged
  # image shows, and counts, an answer several times. 0: always the full weight,
  # as in the paper.
  adapt.enough_answers = 0
  # Average answers and pseudo labels separately. The paper takes one mean, in
  # which few answers drown (docs/RESULTS.md).
  adapt.separate_means = False
  # Start even if points are left to label; those are left out.
  adapt.allow_partial = False
  # Share of the answers that stage 3 does not learn from and that every model
  # is scored on: whole patches, of each image alike.
  adapt.holdout = 0.0

  config.evaluate = evaluate = ml_collections.ConfigDict()
  # What of a stage is evaluated, asks for points, predicts and is exported:
  # the 'segmenter', or the 'teacher' of methods that have one; the models of
  # other methods remain their segmenters.
  evaluate.model = 'segmenter'
  # Images per forward pass; always 1 if the sizes of labels differ.
  evaluate.batch_size = 4
  # Also write each model's predictions into evaluate/<model>-<split>/: PNGs of
  # the labels' size and ids (labelIds for Cityscapes, as its evaluator needs).
  evaluate.save_predictions = False
  # Evaluate all kept checkpoints (train.keep_every), not only the last. The
  # best is chosen by the labels it is scored on: not a result of the method.
  evaluate.all_kept = False
  return config


def domain(
  dataset: str,
  split: str,
  size: tuple[int, int],
  length: int = 0,
  root: str = '',
) -> ml_collections.ConfigDict:
  """The fields that describe one set of images, without random changes.

  Args:
    dataset: the data set's name.
    split: 'train', 'val' or 'test' of Streets and Cityscapes; 'all' of GTA5 and
      SYNTHIA; a list in splits/ or a folder in images/ of an image folder.
    size: network input (height, width) in pixels.
    length: number of Streets scenes; unused by the others.
    root: the set's folder, absolute or relative to data.root.
  """
  return ml_collections.ConfigDict(
    {
      'dataset': dataset,
      'split': split,
      'size': size,
      'length': length,
      'root': root,
      # Random changes in training, of data.source and data.target alone. They
      # depend on the seed, the step and the image; labels move with the pixels
      # (docs/RUNNING.md). Probability of mirroring.
      'mirror': 0.0,
      # Least and largest factor of height and width.
      'scale': (1.0, 1.0),
      # (height, width) of a random window, within the least scaled image; () is
      # `size`.
      'crop': (),
      # Strength, 0 to 1, of changes of brightness, contrast, saturation, hue.
      'jitter': 0.0,
    }
  )
