"""The training block of an experiment as transformers' Trainer has it: schedule, precision, checkpoints, evaluation."""

from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from linernotes.training.config import Experiment, TrainingOptions


def training_arguments(experiment: Experiment, run: Path, seed: int, validated: bool, kept: bool) -> TrainingArguments:
    options = experiment.training
    chosen = validated and kept and options.best_metric is not None
    return TrainingArguments(
        output_dir=str(run),
        seed=seed,
        num_train_epochs=options.epochs,
        max_steps=options.max_steps or -1,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.eval_batch_size,
        gradient_accumulation_steps=options.gradient_accumulation_steps,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        warmup_steps=options.warmup_ratio,
        **scheduling(options),
        **precision(options),
        **({"gradient_checkpointing": True} if options.gradient_checkpointing else {}),
        eval_strategy=("epoch" if options.eval_steps is None else "steps") if validated else "no",
        eval_steps=options.eval_steps,
        logging_strategy="epoch" if options.logging_steps is None else "steps",
        logging_steps=options.logging_steps or 500,
        dataloader_num_workers=options.workers,
        save_strategy=("epoch" if options.save_steps is None else "steps") if kept else "no",
        save_steps=options.save_steps or 500,
        save_total_limit=options.keep_checkpoints,
        load_best_model_at_end=chosen,
        metric_for_best_model=f"eval_{options.best_metric}" if chosen else None,
        greater_is_better=options.best_metric != "loss" if chosen else None,
        label_names=list(experiment.recipe.LABEL_NAMES),
        remove_unused_columns=False,
        report_to=[],
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=True,
    )


def precision(options: TrainingOptions) -> dict[str, bool]:
    """How numbers are kept while it trains, as transformers names it."""
    if not torch.cuda.is_available():
        is_short = options.mixed_precision and not torch.accelerator.is_available() and multiplies_bfloat16()
        return {"bf16": True, "use_cpu": True} if is_short else {}
    rounded = {"tf32": True} if options.tf32 else {}
    if options.mixed_precision:
        rounded |= {"bf16": True} if torch.cuda.is_bf16_supported() else {"fp16": True}
    return rounded


def multiplies_bfloat16() -> bool:
    """Whether this processor does so by itself; without such instructions bfloat16 is slower than float32."""
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def scheduling(options: TrainingOptions) -> dict[str, Any]:
    """The learning rate over time, as transformers names it."""
    if options.scheduler == "constant":
        return {"lr_scheduler_type": "constant_with_warmup"}
    if options.scheduler == "cosine":
        kwargs = {"min_lr": options.min_learning_rate}
        return {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": kwargs}
    kwargs = {
        "mode": "min" if options.best_metric == "loss" else "max",
        "factor": options.plateau_factor,
        "patience": options.plateau_patience,
        "min_lr": options.min_learning_rate,
    }
    return {"lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": kwargs}
