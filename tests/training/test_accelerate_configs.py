"""The configs of accelerate are such as accelerate reads, and DeepSpeed's and PyTorch's own parts take them."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

CONFIGS = Path(__file__).parents[2] / "configs" / "accelerate"


@pytest.mark.parametrize(("name", "kind"), [("zero2", DistributedType.DEEPSPEED), ("fsdp", DistributedType.FSDP)])
def test_accelerate_reads_it(name, kind):
    config = load_config_from_file(str(CONFIGS / f"{name}.yaml"))
    assert config.distributed_type == kind
    assert config.mixed_precision == "bf16"
    options = {**(config.deepspeed_config or {}), **(config.fsdp_config or {})}
    arguments = vars(launch_command_parser().parse_args(["-m", "linernotes.training.train"]))
    assert options
    assert not [option for option in options if option not in arguments], "accelerate launch knows every option"


def test_fully_sharded_training_takes_its_options():
    options = load_config_from_file(str(CONFIGS / "fsdp.yaml")).fsdp_config
    plugin = FullyShardedDataParallelPlugin(
        sharding_strategy=options["fsdp_sharding_strategy"],
        auto_wrap_policy=options["fsdp_auto_wrap_policy"].lower(),
        transformer_cls_names_to_wrap=options["fsdp_transformer_layer_cls_to_wrap"].split(","),
        state_dict_type=options["fsdp_state_dict_type"],
        use_orig_params=options["fsdp_use_orig_params"],
    )
    assert plugin.use_orig_params, "frozen weights and learning ones lie in one layer"
    assert plugin.transformer_cls_names_to_wrap == ["MistralDecoderLayer"]


@pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")
def test_deepspeed_takes_its_options():
    from accelerate.utils import DeepSpeedPlugin

    options = load_config_from_file(str(CONFIGS / "zero2.yaml")).deepspeed_config
    plugin = DeepSpeedPlugin(zero_stage=options["zero_stage"])
    assert plugin.deepspeed_config["zero_optimization"]["stage"] == 2
