"""The README.md of a built model: what came from where, what is new, whose terms hold."""

from __future__ import annotations

import re
from collections import Counter

from leo_drive.building.blueprint import Blueprint
from leo_drive.building.plan import Plan
from leo_drive.building.sources import Source
from leo_drive.files import size

_PARTS = {
    "branches.0.encoder.": "InternViT encoder (branch 1)",
    "branches.1.encoder.": "SAM encoder (branch 2)",
    "projectors.0.": "projector of branch 1",
    "projectors.1.": "projector of branch 2",
    "language_model.": "language model",
}


def card(blueprint: Blueprint, plan: Plan, tokenizer: Source | None) -> str:
    """The card's text, in the hub's form."""
    config = plan.config
    numbers: Counter[str] = Counter()
    for step in plan.steps:
        numbers[next(prefix for prefix in _PARTS if step.name.startswith(prefix))] += step.size
    origin = {part.ours: part.source for part in blueprint.parts}
    rows = [
        f"| {title} | {numbers[prefix] / 1e6:.1f} M | {_origin(origin.get(prefix))} |"
        for prefix, title in _PARTS.items()
    ]
    sources = list(dict.fromkeys([*blueprint.sources, *([tokenizer] if tokenizer else [])]))
    new = [title for prefix, title in _PARTS.items() if prefix not in origin]
    branches = "\n".join(
        f"- {b.encoder}: {b.image_size} px, {b.grid}x{b.grid} patches, unshuffle {b.unshuffle}, "
        f"{b.tokens} tokens"
        for b in config.branch_configs
    )
    tokenizer_from = f"from {_origin(tokenizer)}" if tokenizer else "none was found beside the weights"
    return f"""---
library_name: transformers
pipeline_tag: image-text-to-text
tags: [visual-question-answering, leo]
---

# A LEO put together by `leo-drive build`

{_state(new)}

| part | parameters | from |
| --- | --- | --- |
{chr(10).join(rows)}

{branches}
- {config.tokens_per_tile} visual tokens a tile ({config.fusion}), at most {config.max_tiles} tiles an image
- context of {config.context_length} tokens
- weights in {str(plan.dtype).removeprefix("torch.")}, {size(plan.result_bytes)}
- tokenizer: {tokenizer_from}{_new_tokens(plan)}

## Sources

{chr(10).join(_about(source, plan) for source in sources)}

The licences of all of them hold for this model. Look each one up where it is named above; a language model's
licence can differ from that of the checkpoint it came in.
"""


def _state(new: list[str]) -> str:
    if not new:
        return "Every weight comes from a trained checkpoint."
    return (
        f"**Not trained yet.** New, with random weights: {', '.join(new)}. Until it is fine-tuned, what this "
        f"model says about pictures means nothing; without pictures it is the language model it was made of."
    )


def _new_tokens(plan: Plan) -> str:
    if not plan.new_tokens:
        return ""
    return (
        f"; new tokens, each with the row that the checkpoint had kept free for it, or the mean of the "
        f"embeddings: {' '.join(f'`{t}`' for t in plan.new_tokens)}"
    )


def _origin(source: Source | None) -> str:
    return "**new, untrained**" if source is None else f"`{source.name}`"


def _about(source: Source, plan: Plan) -> str:
    lines = [f"- `{source.name}`"]
    if source.url:
        lines.append(f"  - {source.url}, revision {source.revision}")
    lines.append(f"  - licence: {source.licence or 'not stated beside the files; look it up'}")
    if source in plan.weights:
        for file in plan.weights[source].files:
            # In the hub's cache a file is a link to one that has its SHA-256 for a name.
            stored = file.resolve().name
            checksum = f", sha256 {stored}" if re.fullmatch("[0-9a-f]{64}", stored) else ""
            lines.append(f"  - {file.name}: {file.stat().st_size} bytes{checksum}")
    return "\n".join(lines)
