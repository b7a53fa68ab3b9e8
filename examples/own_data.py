"""Your own point set and image data set: `python examples/own_data.py`."""

import numpy as np
import torch

import gan_env


def triangle():
    """Three modes, [3, 2] in [-1, 1]."""
    angle = 2 * np.pi * np.arange(3) / 3
    return 0.8 * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def stripes(data_root, image_size):
    """Grey images of a wave in one of four directions; one's own files would be read from `data_root`."""
    generator = torch.Generator().manual_seed(0)
    place = torch.linspace(0, 12, image_size)
    angle = torch.randint(4, (3000, 1, 1), generator=generator) * (torch.pi / 4)
    shift = 6 * torch.rand(3000, 1, 1, generator=generator)
    waves = torch.sin(torch.cos(angle) * place[:, None] + torch.sin(angle) * place + shift)  # [P, H, W]
    images = (127.5 * (waves + 1)).byte()[:, None]  # [P, 1, H, W]
    return gan_env.Dataset(train=images[:2000], held_out=images[2000:])


gan_env.register_points("triangle", triangle)
gan_env.register_dataset("stripes", stripes)

if __name__ == "__main__":
    sizes = {"num_decisions": 4, "compile": False}
    points = gan_env.GANVectorEnv(16, datasets=("ring", "triangle"), updates_per_decision=50, **sizes)
    wide = {"batch_size": (32, 32), "width_g": (64, 64), "width_d": (64, 64)}
    images = {"image_size": 8, "architecture": "mlp", "latent_dim": 16, "instances": wide}
    stripy = gan_env.GANVectorEnv(
        4, datasets=("stripes",), updates_per_decision=50, metric_samples=256, **images, **sizes
    )
    for envs in (points, stripy):
        _, infos = envs.reset(seed=0)
        print(f"{envs.bank.names}: {envs.judge.metric_name}")
        print(f"  untrained {np.exp(infos['log_metric']).mean():.3f}")
        for _ in range(4):
            *_, infos = envs.step(np.zeros(envs.action_space.shape, np.float32))
        print(f"  trained   {np.exp(infos['final_info']['log_metric']).mean():.3f}")
