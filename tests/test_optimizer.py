import subprocess
import sys

import torch

from oversight_gym.agents.policies.optimizer import LightAdam


def test_it_is_adam_bit_for_bit() -> None:
    found = []
    for optimizer_class in (torch.optim.Adam, LightAdam):
        torch.manual_seed(0)
        network = torch.nn.Linear(5, 3)
        optimizer = optimizer_class(network.parameters(), lr=0.01, eps=1e-5, fused=True)
        for _ in range(5):
            optimizer.zero_grad()
            network(torch.ones(2, 5)).square().sum().backward()
            optimizer.step()
        found.append([parameter.detach().numpy().tobytes() for parameter in network.parameters()])
    assert found[0] == found[1]


def test_its_state_is_saved_and_restored() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = LightAdam([parameter], lr=0.1)
    parameter.sum().backward()
    optimizer.step()
    again = LightAdam([torch.nn.Parameter(torch.ones(3))], lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    assert again.state_dict()["state"][0]["step"] == 1


def test_a_training_process_never_loads_torchs_compiler() -> None:
    code = (
        "import sys; from oversight_gym.runs.build import make_model\n"
        "from oversight_gym.runs.config import TrainConfig\n"
        "make_model(TrainConfig.of(num_envs=8, n_steps=8, batch_size=32)).learn(64)\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0
