"""CLAIMS: what authors print about their own methods, each with its source. Quoted, never drawn among our scores.

Figures belong to the models and budgets of their papers. A figure that stands here was read in a paper's abstract, its
authors' README or a model card; *secondary* ones were read elsewhere and say so. A method without any has none here.
"""

from __future__ import annotations

from dataclasses import dataclass

STAMP = "Published, another model, never mixed with ours"


@dataclass(frozen=True)
class Claim:
    """One printed figure: of which method, what it is of, the figure as printed, where."""

    method: str
    text: str
    figure: str
    source: str
    secondary: bool = False

    @property
    def where(self) -> str:
        """The source, and whether the figure was read there."""
        return f"{self.source}, as quoted by others" if self.secondary else self.source


_WANG = "Wang 2024, arXiv:2407.08334"
_NXM = "Holmes et al. 2021, arXiv:2110.15766"
_MIFORMER = "NxMiFormer, arXiv:2206.15014"
_LASSO = "Li et al. 2020, arXiv:2009.08065"
_BYPASS = "Gao et al. 2025, arXiv:2406.10576"
_MLPRUNING = "Yao et al. 2021, arXiv:2105.14636"
_STE = "Zhou et al. 2021, arXiv:2102.04010"
_LLAMA = "LLaMA-2-7B at 2:4, Wikitext perplexity (dense 5.12)"
_BESA = "README of BESA, arXiv:2402.16880"
_LLAMA_2 = "LLaMA-2-7B at 50 % zeros, WikiText-2 perplexity"
_PIP = "abstract of PIP, arXiv:2501.15278"
_PRIOR = "abstract of Lin et al. 2020, arXiv:2010.01791"
_WANDA = "README of Wanda, arXiv:2306.11695"

CLAIMS: tuple[Claim, ...] = (
    Claim("magnitude", _LLAMA, "54.59", _WANDA),
    Claim("wanda", _LLAMA, "11.02", _WANDA),
    Claim("sparsegpt", _LLAMA, "10.17", _WANDA),
    Claim("admm-layer", _LLAMA, "9.68", "Boza 2024, arXiv:2401.02938", secondary=True),
    Claim("besa", f"{_LLAMA_2} (dense 5.47, Wanda 6.92)", "6.60", _BESA),
    Claim("besa", f"{_LLAMA_2}, one share a matrix", "6.77", _BESA),
    Claim("besa", "LLaMA-1-7B at 50 % zeros, WikiText-2 perplexity (dense 5.68, Wanda 7.26)", "6.86", _BESA),
    Claim("besa", "LLaMA-2-70B at 50 % zeros, WikiText-2 perplexity (dense 3.31, Wanda 4.22)", "4.09", _BESA),
    Claim("sr-ste", "ResNet-50 at 2:4", "77.0", _STE),
    Claim("sr-ste", "ResNet-50 at 1:4", "75.9", _STE),
    Claim("sr-ste", "ResNet-50 at 4:8", "77.4", _STE),
    Claim("sr-ste", "ResNet-50 at 2:8", "76.4", _STE),
    Claim("group-lasso", "BERT, RoBERTa and DistilBERT: compression on some GLUE tasks, with no or minor loss",
          "up to 5.0 times", _LASSO),
    Claim("group-lasso", "DistilBERT: compression beyond its own, on average", "1.79 times", _LASSO),
    Claim("mlpruning", "BERT-base with about 20 % of its weights, comparable on QQP, MNLI and SQuAD: faster by",
          "up to 3.69 times", _MLPRUNING),
    Claim("nxm-admm", "GLUE, points over the best practice of its day", "+1.7", _NXM),
    Claim("nxm-admm", "of the uncompressed model's accuracy kept", "98.4 %", _NXM, secondary=True),
    Claim("nxm-admm", "of unstructured pruning's accuracy kept", "about 99 %", _NXM, secondary=True),
    Claim("nxm-admm", "with a grid too: accuracy kept at 93 % encoder compression", "98.2 %", _MIFORMER),
    Claim("nxm-admm", "with a grid too: accuracy kept at 87.5 % encoder compression", "99.5 %", _MIFORMER),
    Claim("pattern-admm", "GLUE overall, 50 % zeros; model and split not stated", "80.1", f"{_WANG}, versions 1 to 4"),
    Claim("pattern-admm", "CoLA, Matthews correlation, 50 % zeros", "55.4", f"{_WANG}, version 1"),
    Claim("pattern-admm", "RTE, accuracy, 50 % zeros", "68.8", f"{_WANG}, version 1"),
    Claim("policy-gradient", "LLaMA-2-13B, time on one A100 with about 35 GB", "2.7 hours", _BYPASS),
    Claim("pip", "Accuracy kept with about 20 % fewer parameters", "more than 85 %", _PIP),
    Claim("identity-prior", "BERT at 50 % compression, five GLUE tasks, points over the best of its day, on average",
          "0.5 to 1.0 %", _PRIOR),
)


def claims(method: str) -> list[Claim]:
    """What is printed of one method."""
    return [claim for claim in CLAIMS if claim.method == method]
