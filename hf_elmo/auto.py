"""Registration of the Elmo classes with transformers' Auto classes, done by `import hf_elmo`."""

from transformers import AutoConfig, AutoModel, AutoTokenizer

from hf_elmo.modeling import ElmoConfig, ElmoModel, ElmoTokenizer


def register_auto_classes() -> None:
    """Make the Auto classes find the Elmo classes, and `save_pretrained` copy their code; safe to repeat.

    A registered configuration or model wins over the remote code of a repository, with and without
    `trust_remote_code`; a registered tokenizer without it (transformers 5.23).
    """
    AutoConfig.register("elmo", ElmoConfig, exist_ok=True)
    AutoModel.register(ElmoConfig, ElmoModel, exist_ok=True)
    AutoTokenizer.register(ElmoConfig, tokenizer_class=ElmoTokenizer, exist_ok=True)
    ElmoConfig.register_for_auto_class()
    ElmoTokenizer.register_for_auto_class("AutoTokenizer")
    ElmoModel.register_for_auto_class("AutoModel")
