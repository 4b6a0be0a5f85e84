"""Run by test_batches.py in its own process: logical devices must be configured before TensorFlow's first use.

Augments a batch on two devices and prints the largest differences from the host's augmentation.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipeline.config.input import AugmentConfig, InputConfig
from pipeline.input import batches

AUGMENT = AugmentConfig(flip=True, scale=(0.8, 1.5), crop=(48, 64), rotate=5, cutmix=0.4, classmix=0.4, cutout=0.3)


def main(folder: Path) -> None:
    """Print the largest difference of keys, labels and pixels."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    host, device = (InputConfig(augment=AUGMENT, augment_on=place) for place in ("host", "device"))
    settings = {"batch_size": 4, "seed": 0, "epoch": 0}
    expected = next(iter(batches.train_dataset(folder, host, **settings)))
    shared = iter(strategy.experimental_distribute_dataset(batches.train_dataset(folder, device, **settings)))
    prepare = batches.device_augmentation(device)
    augmented = tf.function(lambda batch: strategy.run(prepare, args=(batch,)))(next(shared))
    for name in ("key", "label", "image"):
        whole = np.concatenate([part.numpy() for part in strategy.experimental_local_results(augmented[name])])
        print(int(np.abs(whole.astype(np.int64) - expected[name].numpy()).max()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
