"""Masked language modelling or replaced-token detection? The same start, text and processor time for both.

    python benchmarks/objectives.py --objective mlm --start BASE --tokenizer BASE --corpus TEXT --held-out GOLD \
        --minutes 20 --output DIR

Trains for ``--minutes`` of processor time (all threads added up, so that a busy machine takes nothing from either) and writes
a base that ``benchmarks/indonlu.py`` scores. ``detect`` is replaced-token detection (ELECTRA, Clark et al. 2020): a generator a
third as wide and deep fills the masked words, and the model tells of every token whether it has been replaced. Without
``--start`` the model starts from nothing, in the shape of configs/pretrain.yaml.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, set_seed

from training.precision import uses_bf16
from training.pretrain import Assembler, PretrainSettings, Stage, add_pooler, prepare, start_model, whitening_pooler
from training.tokenizer import save_tokenizer

# The judge's loss is far smaller than the generator's; the paper's weight.
DETECTION_WEIGHT = 50.0
ALL = slice(0, None, 1)


class Detector(torch.nn.Module):
    """What replaced-token detection needs beside the model: a generator of words, and a judge of them."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        heads = max(1, config.num_attention_heads // 3)
        small = BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=heads * (config.hidden_size // config.num_attention_heads),
            num_hidden_layers=max(1, config.num_hidden_layers // 3),
            num_attention_heads=heads,
            intermediate_size=config.intermediate_size // 3,
            max_position_embeddings=config.max_position_embeddings,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=config.pad_token_id,
        )
        self.generator = BertForMaskedLM._from_config(small, attn_implementation="eager")
        self.judge = torch.nn.Linear(config.hidden_size, 1)

    def forward(self, model: BertForMaskedLM, batch: dict[str, Tensor], draw: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss, and the mean cross-entropies of the generator over masked tokens and of the judge over all."""
        ids, attention, places = batch["ids"], batch["attention"], batch["places"]
        states = self.generator.bert(input_ids=ids, attention_mask=attention).last_hidden_state
        logits = self.generator.cls(states.flatten(0, 1).index_select(0, places)).float()
        made = functional.cross_entropy(logits, batch["wanted"])
        with torch.no_grad():
            # Sampling by the Gumbel-max trick.
            noise = torch.rand(logits.shape, generator=draw).clamp(1e-9, 1 - 1e-9)
            drawn = (logits - torch.log(-torch.log(noise))).argmax(-1)
            filled = ids.flatten().index_copy(0, places, drawn).view_as(ids)
            replaced = torch.zeros(ids.numel()).index_copy(0, places, (drawn != batch["wanted"]).float())
        scores = self.judge(model.bert(input_ids=filled, attention_mask=attention).last_hidden_state).squeeze(-1).float()
        losses = functional.binary_cross_entropy_with_logits(scores, replaced.view_as(scores), reduction="none")
        detected = (losses * attention).sum() / attention.sum()
        return made + DETECTION_WEIGHT * detected, {"generator": float(made.detach()), "detect": float(detected.detach())}


def mlm_loss(model: BertForMaskedLM, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Mean cross-entropy over the masked tokens."""
    states = model.bert(input_ids=batch["ids"], attention_mask=batch["attention"]).last_hidden_state
    logits = model.cls(states.flatten(0, 1).index_select(0, batch["places"])).float()
    loss = functional.cross_entropy(logits, batch["wanted"])
    return loss, {"mlm": float(loss.detach())}


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objective", required=True, choices=["mlm", "detect"])
    parser.add_argument("--start", type=Path, help="base to go on from; by default from nothing")
    parser.add_argument("--tokenizer", required=True, type=Path)
    parser.add_argument("--corpus", required=True, type=Path, nargs="+")
    parser.add_argument("--held-out", type=Path, nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=20.0, help="of processor time")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--tokens-per-batch", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()

    settings = PretrainSettings(
        corpus=tuple(args.corpus), held_out=tuple(args.held_out), tokenizer=args.tokenizer, output=args.output, hidden_size=384, layers=6,
        heads=12, intermediate_size=1536, max_length=126, mask=0.15 if args.objective == "detect" else 0.2,
        tokens_per_batch=args.tokens_per_batch, learning_rate=args.learning_rate, stages=(Stage("read", 1),), seed=args.seed,
    )  # fmt: skip
    prepared = prepare(settings)
    set_seed(args.seed)
    if args.start:
        model = BertForMaskedLM.from_pretrained(args.start, dtype=torch.float32, attn_implementation="eager")
    else:
        model = start_model(settings, prepared, "eager")
    detector = Detector(model.config) if args.objective == "detect" else None
    draw = torch.Generator().manual_seed(args.seed)
    assembler = Assembler(settings, prepared, None)
    parameters = [*model.parameters(), *(detector.parameters() if detector else ())]
    optimizer = torch.optim.AdamW(parameters, lr=args.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    bf16 = uses_bf16("auto", torch.device("cpu"))
    model.train()
    begin, wall, tokens, step = time.process_time(), time.perf_counter(), 0, 0
    sums: dict[str, float] = {}
    while (share := (time.process_time() - begin) / (60 * args.minutes)) < 1:
        # Linear warm-up and decay along the budget, which is time: neither run knows how many steps it will have.
        rate = args.learning_rate * min(share / 0.05, (1 - share) / 0.95)
        for group in optimizer.param_groups:
            group["lr"] = max(rate, 1e-7)
        batch = assembler.mlm(step, ALL)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, parts = detector(model, batch, draw) if detector else mlm_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step, tokens = step + 1, tokens + int(batch["attention"].sum())
        sums = {key: sums.get(key, 0.0) + value for key, value in parts.items()}
        if step % 50 == 0:
            print(f"{share:.0%} step {step} {tokens:,} tokens", {k: round(v / 50, 4) for k, v in sums.items()}, flush=True)
            if not all(math.isfinite(value) for value in sums.values()):
                raise SystemExit("the loss is no longer a number: lower --learning-rate")
            sums = {}
    vocabulary = prepared.tokenizer.get_vocab()
    weight, bias = whitening_pooler(model, prepared.train, tuple(vocabulary[t] for t in ("[CLS]", "[SEP]", "[PAD]")), args.seed)
    model.eval().save_pretrained(args.output)
    add_pooler(args.output, weight, bias)
    save_tokenizer(prepared.tokenizer, args.output, settings.max_positions)
    facts = {"objective": args.objective, "steps": step, "tokens": tokens, "processor_seconds": time.process_time() - begin,
             "seconds": time.perf_counter() - wall}  # fmt: skip
    (args.output / "objective.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(facts)


if __name__ == "__main__":
    main()
